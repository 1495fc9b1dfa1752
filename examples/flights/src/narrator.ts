/** Tells a story to a person: steps, lines below them, and a progress line that writes over itself on a terminal. */
export class Narrator {
  private readonly startedMs = Date.now();
  private open = false;
  private lastShownMs = 0;

  constructor(private readonly out: NodeJS.WriteStream) {}

  step(text: string): void {
    this.line(`\n[${this.elapsed()}] ${text}`, '');
  }

  line(text: string, indent = '        '): void {
    if (this.open) this.out.write('\n');
    this.open = false;
    this.out.write(`${indent}${text}\n`);
  }

  /** @param done 0..1 */
  progress(done: number, text: string): void {
    const now = Date.now();
    const wait = this.out.isTTY ? 100 : 5_000;
    if (done < 1 && now - this.lastShownMs < wait) return;
    this.lastShownMs = now;
    const filled = Math.round(Math.min(1, done) * 24);
    const bar = `${'█'.repeat(filled)}${'·'.repeat(24 - filled)}`;
    if (this.out.isTTY) {
      this.out.write(`\r\u001b[2K        ${bar} ${text}`);
      this.open = true;
      if (done >= 1) this.line('', '');
    } else this.out.write(`        ${bar} ${text}\n`);
  }

  problem(text: string): void {
    this.line(`FAILED  ${text}`, '');
  }

  private elapsed(): string {
    const seconds = Math.floor((Date.now() - this.startedMs) / 1_000);
    return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
  }
}
