import { errorMessage } from '#libs/errors/millrace-error.js';
import type { Publisher } from '#libs/messaging/message-log.js';
import type { Logger } from '#libs/telemetry/logger.js';
import { WriteAheadLog } from '#libs/wal/write-ahead-log.js';
import { batchBytes, shipEntries } from './ship-entries.js';

/**
 * Carries the logs of processes that are no more to Kafka, one after the other, as a log's own process would: an answered prediction that waits there is shipped, once. A shipped log is left as it is: should its
 * process come again, it goes on with it.
 */
export class LeftOverLogs {
  private running: Promise<void> | undefined;
  private stopped = false;
  private waiting: WriteAheadLog[] = [];

  constructor(
    private readonly folders: readonly string[],
    private readonly publisher: Publisher,
    private readonly logger: Logger,
    private readonly retryAfterMs = 1_000,
  ) {}

  /** What is in those that are open and not shipped, in whole segments. */
  get bytes(): number {
    return this.waiting.reduce((sum, wal) => sum + (isShipped(wal) ? 0 : wal.bytes), 0);
  }

  start(): void {
    this.running = this.run();
  }

  /** What Kafka does not take any more is shipped at the next start. */
  async stop(): Promise<void> {
    this.stopped = true;
    await this.running;
  }

  private async run(): Promise<void> {
    for (const folder of this.folders) {
      const wal = await this.open(folder);
      if (wal === undefined) return;
      this.waiting.push(wal);
    }
    for (const wal of this.waiting) {
      const from = wal.shippedSequence;
      await this.ship(wal);
      if (wal.shippedSequence > from)
        this.logger.info('left_over_log_shipped', { log: wal.id, from, to: wal.shippedSequence });
      await wal.close();
    }
  }

  /** Its process may have been left a moment ago, and still live. @returns undefined = stopped meanwhile */
  private async open(folder: string): Promise<WriteAheadLog | undefined> {
    while (!this.stopped) {
      try {
        return new WriteAheadLog({ folder, maxBytes: Number.POSITIVE_INFINITY, fsync: false });
      } catch (error) {
        this.logger.warn('left_over_log_not_opened', { folder, error: errorMessage(error) });
        await this.pause();
      }
    }
    return undefined;
  }

  private async ship(wal: WriteAheadLog): Promise<void> {
    while (!isShipped(wal)) {
      const entries = await wal.readAfter(wal.shippedSequence, batchBytes);
      try {
        await shipEntries(wal, this.publisher, entries, () => ({}));
      } catch (error) {
        this.logger.warn('left_over_log_not_shipped', { error: errorMessage(error), bytes: wal.bytes });
        if (this.stopped) return;
        await this.pause();
      }
    }
  }

  private pause(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, this.retryAfterMs));
  }
}

function isShipped(wal: WriteAheadLog): boolean {
  return wal.shippedSequence >= wal.nextSequence - 1;
}
