import { encodeMessage } from '#libs/contracts/encode-message.js';
import { PredictionBlock, type Unmirrored } from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import type { WriteAheadLog } from '#libs/wal/write-ahead-log.js';
import type { Notes } from '../domain/ports.js';

/** Nobody waits for a note, and a block costs the reader more than its bytes: what comes within it travels together. */
const lingerMs = 50;
/** A block is one record of Kafka. */
const maxBlockNotes = 1_000;

type Gathered = Pick<PredictionBlock, 'shadows' | 'failures' | 'unmirrored'>;

/** Gathers notes to blocks of their own in the write-ahead log. Counts of unmirrored rows of one block that differ in nothing else are one. */
export class NoteBlocks {
  private gathered: Gathered = { shadows: [], failures: [], unmirrored: [] };
  private timer: NodeJS.Timeout | undefined;
  private written: Promise<void> = Promise.resolve();

  /** @param onUnkept told how many notes the log did not take */
  constructor(
    private readonly wal: WriteAheadLog,
    private readonly onUnkept: (notes: number) => void,
  ) {}

  add({ shadows, failures, unmirrored }: Notes): void {
    if (shadows !== undefined) this.gathered.shadows.push(...shadows);
    if (failures !== undefined) this.gathered.failures.push(...failures);
    for (const count of unmirrored ?? []) addCount(this.gathered.unmirrored, count);
    this.timer ??= setTimeout(() => void this.flush(), lingerMs);
  }

  /** Writes what was gathered; resolves when the log has it, or has refused it. */
  flush(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    const { shadows, failures, unmirrored } = this.gathered;
    this.gathered = { shadows: [], failures: [], unmirrored: [] };
    const most = Math.max(shadows.length, failures.length, unmirrored.length);
    for (let from = 0; from < most; from += maxBlockNotes) {
      const part = <T>(notes: readonly T[]): T[] => notes.slice(from, from + maxBlockNotes);
      this.write({ shadows: part(shadows), failures: part(failures), unmirrored: part(unmirrored) });
    }
    return this.written;
  }

  private write(notes: Gathered): void {
    const block = PredictionBlock.create({ walId: this.wal.id, sequence: this.wal.nextSequence, ...notes });
    const size = notes.shadows.length + notes.failures.length + notes.unmirrored.length;
    this.written = this.wal.append(encodeMessage(PredictionBlock, block)).catch(() => this.onUnkept(size));
  }
}

function addCount(counts: Unmirrored[], count: Unmirrored): void {
  const same = counts.find(
    ({ endpoint, rolloutId, rolloutStep, reason }) =>
      endpoint === count.endpoint &&
      rolloutId === count.rolloutId &&
      rolloutStep === count.rolloutStep &&
      reason === count.reason,
  );
  if (same === undefined) counts.push({ ...count });
  else same.rows += count.rows;
}
