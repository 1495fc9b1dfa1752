import type { EncodedRecord } from '#libs/contracts/event-record.js';
import { MillraceError } from '#libs/errors/millrace-error.js';

export type Send = (stream: string, records: readonly EncodedRecord[]) => Promise<void>;

interface Waiting {
  readonly stream: string;
  readonly records: readonly EncodedRecord[];
  readonly bytes: number;
  resolve(): void;
  reject(error: unknown): void;
}

/** All records of a send may have one key, and Kafka takes 1,048,588 bytes a partition by default. */
const maxSendBytes = 1_000_000;
/** Of a record in Kafka, beside its texts. */
const recordOverhead = 64;

/**
 * One send at a time a stream, so that order is kept; what comes meanwhile goes out together in the next. What waits is bounded over all streams: beyond the bound a sender is
 * refused at once, or held where it is read from no further meanwhile.
 */
export class StreamPublisher {
  private readonly queues = new Map<string, Waiting[]>();
  private readonly held: Waiting[] = [];
  private waitingBytes = 0;

  constructor(
    private readonly send: Send,
    private readonly maxWaitingBytes: number,
    private readonly onWaiting: (bytes: number) => void,
  ) {}

  /**
   * Resolves when all in-sync replicas have every record; at once where there is none.
   * @throws MillraceError resource-exhausted when too much is waiting (never with 'hold'), unavailable when Kafka did not take them
   */
  async publish(
    stream: string,
    records: readonly EncodedRecord[],
    whenFull: 'refuse' | 'hold' = 'refuse',
  ): Promise<void> {
    if (records.length === 0) return;
    const bytes = records.reduce((sum, record) => sum + sizeOf(record), 0);
    const free = this.held.length === 0 && this.hasRoom(bytes);
    if (!free && whenFull === 'refuse')
      throw new MillraceError(
        'resource-exhausted',
        `${this.waitingBytes} bytes wait for Kafka, at most ${this.maxWaitingBytes} are taken; try again later`,
      );
    await new Promise<void>((resolve, reject) => {
      const waiting = { stream, records, bytes, resolve, reject };
      if (free) this.enqueue(waiting);
      else this.held.push(waiting);
    });
  }

  /** Something larger than the bound goes alone. */
  private hasRoom(bytes: number): boolean {
    return this.waitingBytes === 0 || this.waitingBytes + bytes <= this.maxWaitingBytes;
  }

  private enqueue(waiting: Waiting): void {
    this.changeWaiting(waiting.bytes);
    const queue = this.queues.get(waiting.stream);
    if (queue !== undefined) return void queue.push(waiting);
    const started = [waiting];
    this.queues.set(waiting.stream, started);
    void this.run(waiting.stream, started);
  }

  private async run(stream: string, queue: Waiting[]): Promise<void> {
    while (queue.length > 0) {
      const group = queue.splice(0, groupLength(queue));
      try {
        for (const part of parts(group)) await this.send(stream, part);
        for (const { resolve } of group) resolve();
      } catch (error) {
        const failure = new MillraceError(
          'unavailable',
          `stream ${stream}: Kafka did not take the events; they may be sent again`,
          { cause: error },
        );
        for (const { reject } of group) reject(failure);
      } finally {
        this.release(group.reduce((sum, { bytes }) => sum + bytes, 0));
      }
    }
    this.queues.delete(stream);
  }

  private release(bytes: number): void {
    this.changeWaiting(-bytes);
    while (this.held.length > 0 && this.hasRoom(this.held[0]!.bytes)) this.enqueue(this.held.shift()!);
  }

  private changeWaiting(bytes: number): void {
    this.waitingBytes += bytes;
    this.onWaiting(this.waitingBytes);
  }
}

function sizeOf({ key, value, headers }: EncodedRecord): number {
  let bytes = recordOverhead + value.length + (key?.length ?? 0);
  for (const name in headers) bytes += name.length + Buffer.byteLength(headers[name]!) + 2;
  return bytes;
}

/** How many of the first entries go out together: at least one. */
function groupLength(queue: readonly Waiting[]): number {
  let bytes = 0;
  const end = queue.findIndex((waiting, i) => (bytes += waiting.bytes) > maxSendBytes && i > 0);
  return end < 0 ? queue.length : end;
}

/** The records of a group in order, cut where a send would be too large. */
function* parts(group: readonly Waiting[]): Generator<readonly EncodedRecord[]> {
  let [part, bytes]: [EncodedRecord[], number] = [[], 0];
  for (const { records } of group)
    for (const record of records) {
      const size = sizeOf(record);
      if (part.length > 0 && bytes + size > maxSendBytes) {
        yield part;
        [part, bytes] = [[], 0];
      }
      part.push(record);
      bytes += size;
    }
  if (part.length > 0) yield part;
}
