import type { EncodedRecord } from '#libs/contracts/event-record.js';
import { MillraceError } from '#libs/errors/millrace-error.js';

export type Send = (stream: string, records: readonly EncodedRecord[]) => Promise<void>;

interface Waiting {
  readonly records: readonly EncodedRecord[];
  readonly bytes: number;
  resolve(): void;
  reject(error: unknown): void;
}

const maxSendBytes = 4 * 1024 * 1024;

/**
 * One send at a time a stream, so that order is kept; what comes meanwhile goes out together in the next. What waits is bounded over all streams: beyond the bound senders are
 * refused at once, so that nothing grows.
 */
export class StreamPublisher {
  private readonly queues = new Map<string, Waiting[]>();
  private waitingBytes = 0;

  constructor(
    private readonly send: Send,
    private readonly maxWaitingBytes: number,
    private readonly onWaiting: (bytes: number) => void,
  ) {}

  /**
   * Resolves when all in-sync replicas have every record.
   * @throws MillraceError resource-exhausted when too much is waiting, unavailable when Kafka did not take them
   */
  publish(stream: string, records: readonly EncodedRecord[]): Promise<void> {
    const bytes = records.reduce((sum, { value, key }) => sum + value.length + (key?.length ?? 0) + 100, 0);
    if (this.waitingBytes > 0 && this.waitingBytes + bytes > this.maxWaitingBytes)
      return Promise.reject(
        new MillraceError(
          'resource-exhausted',
          `${this.waitingBytes} bytes wait for Kafka, at most ${this.maxWaitingBytes} are taken; try again later`,
        ),
      );
    this.changeWaiting(bytes);
    return new Promise((resolve, reject) => {
      const queue = this.queues.get(stream);
      const waiting = { records, bytes, resolve, reject };
      if (queue !== undefined) return void queue.push(waiting);
      const started = [waiting];
      this.queues.set(stream, started);
      void this.run(stream, started);
    });
  }

  private async run(stream: string, queue: Waiting[]): Promise<void> {
    while (queue.length > 0) {
      const group = queue.splice(0, groupLength(queue));
      const bytes = group.reduce((sum, waiting) => sum + waiting.bytes, 0);
      try {
        await this.send(
          stream,
          group.flatMap(({ records }) => records),
        );
        for (const { resolve } of group) resolve();
      } catch (error) {
        const failure = new MillraceError(
          'unavailable',
          `stream ${stream}: Kafka did not take the events; they may be sent again`,
          { cause: error },
        );
        for (const { reject } of group) reject(failure);
      } finally {
        this.changeWaiting(-bytes);
      }
    }
    this.queues.delete(stream);
  }

  private changeWaiting(bytes: number): void {
    this.waitingBytes += bytes;
    this.onWaiting(this.waitingBytes);
  }
}

function groupLength(queue: readonly Waiting[]): number {
  let bytes = 0;
  const end = queue.findIndex((waiting, i) => (bytes += waiting.bytes) > maxSendBytes && i > 0);
  return end < 0 ? queue.length : end;
}
