const maxLogs = 60;

/** The last block of each write-ahead log that a partition has had, as text that travels with the position: `id:sequence,…`, newest log last. */
export class SeenBlocks {
  private readonly last = new Map<string, number>();

  constructor(carried: string) {
    for (const entry of carried.split(',').filter((part) => part !== '')) {
      const [id, sequence] = entry.split(':') as [string, string];
      this.last.set(id, Number(sequence));
    }
  }

  /** False when the block, or a later one of its log, was there before. */
  add(id: string, sequence: number): boolean {
    if (sequence <= (this.last.get(id) ?? 0)) return false;
    this.last.delete(id);
    this.last.set(id, sequence);
    if (this.last.size > maxLogs) this.last.delete(this.last.keys().next().value!);
    return true;
  }

  carried(): string {
    return [...this.last].map(([id, sequence]) => `${id}:${sequence}`).join(',');
  }
}
