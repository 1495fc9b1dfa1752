import type { MillraceError } from '#libs/errors/millrace-error.js';
import type { BatchPlan } from '../domain/batch/batch-plan.js';
import type { BatchProgress } from '../domain/batch/batch-progress.js';
import type { BatchInput } from './batch-input.js';

const everyMs = { terminal: 500, file: 10_000 };

/** Says on standard error how a run is getting on: on a terminal in one line that changes, elsewhere in a line every ten seconds. */
export class BatchDisplay {
  retries = 0;
  private refusalSaidMs = Number.NEGATIVE_INFINITY;
  private readonly startedMs = performance.now();
  private saidMs = this.startedMs;
  private before = 0;
  private end = 1;

  start(runId: string, { columns, order }: BatchPlan, input: BatchInput, progress: BatchProgress): void {
    this.before = rowsOf(progress);
    this.end = input.end;
    const sent = [...columns.sent.map(({ name }) => name), ...(columns.vectors ? ['features'] : [])];
    const unsent = input.header.filter((name) => !sent.includes(name));
    say(
      `run ${runId}: ${this.before === 0 ? 'begins' : `goes on behind row ${progress.place.row}`}; ` +
        `sends ${sent.join(', ') || 'nothing'} to ${order.endpoint}${order.version === '' ? '' : ` version ${order.version}`}` +
        `${unsent.length === 0 ? '' : `, and not ${unsent.join(', ')}`}; keeps ${columns.kept.join(', ') || 'nothing'}`,
    );
  }

  /** Rows a second of this process, since it began. */
  rowsPerSecond(progress: BatchProgress): number {
    return ((rowsOf(progress) - this.before) / (performance.now() - this.startedMs)) * 1_000;
  }

  seconds(): number {
    return (performance.now() - this.startedMs) / 1_000;
  }

  progress(progress: BatchProgress): void {
    const nowMs = performance.now();
    const isTerminal = process.stderr.isTTY === true;
    if (nowMs - this.saidMs < (isTerminal ? everyMs.terminal : everyMs.file)) return;
    this.saidMs = nowMs;
    const percent = this.end === 0 ? 100 : (100 * progress.place.offset) / this.end;
    const text = `${rowsOf(progress)} rows, ${percent.toFixed(0)} %, ${this.rowsPerSecond(progress).toFixed(0)} rows/s, ${progress.rejected} refused, asked again ${this.retries} times`;
    if (isTerminal) process.stderr.write(`\r\x1b[K${text}`);
    else say(text);
  }

  /** Of many refusals one is said, now and then: whoever waits for a gateway that is away should know. */
  refused({ message }: MillraceError): void {
    this.retries += 1;
    const nowMs = performance.now();
    if (nowMs - this.refusalSaidMs < everyMs.file) return;
    this.refusalSaidMs = nowMs;
    this.leave();
    say(`asked again: ${message}`);
  }

  /** Leaves a terminal's line. */
  leave(): void {
    if (process.stderr.isTTY === true) process.stderr.write('\r\x1b[K');
  }
}

function rowsOf({ answered, rejected }: BatchProgress): number {
  return answered + rejected;
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
