import type { EncodedRecord } from '#libs/contracts/event-record.js';
import type { TopicId } from '#libs/contracts/topics.js';
import type { TraceContext } from '#libs/telemetry/trace-context.js';

/** A record as consumed. Header values are text. */
export interface LogRecord {
  readonly partition: number;
  readonly offset: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Record<string, string>;
  /** Broker time, epoch ms. */
  readonly timestampMs: number;
}

export interface Publisher {
  /**
   * Resolves when all in-sync replicas have every record; order is kept per partition. Rejects when the broker did not take them within the client's retries.
   * @returns for each partition written, the offset of its first record
   */
  publish(records: readonly EncodedRecord[], stream?: string): Promise<ReadonlyMap<number, number>>;
}

export interface Chunk {
  readonly topic: string;
  readonly partition: number;
  readonly records: readonly LogRecord[];
  /**
   * `<topic>/<partition>/<first>-<last>`: with delivery 'exact' the same token always comes with the same records, whoever redelivers them,
   * so that a sink which remembers tokens stores each record once.
   */
  readonly token: string;
  /** What the handler returned for the chunk before this one in the partition; '' at the beginning. */
  readonly carried: string;
  /** Aborted when the partition is no longer ours or the process stops. */
  readonly signal: AbortSignal;
  /** Tells the broker that we live; call it at least every 3 s of work. */
  alive(): Promise<void>;
  /** Of the chunk's span; undefined = none of its records is traced. */
  readonly trace?: TraceContext | undefined;
}

/** Returns what to carry to the next chunk (at most 3,000 characters of ASCII), durable with the position. A throw stops the partition and is retried with the same records. */
export type ChunkHandler = (chunk: Chunk) => Promise<string | undefined>;

export interface ConsumeOptions {
  readonly topic: TopicId;
  readonly stream?: string;
  /** The consumer group is `<service>` or `<service>.<stream>`; a suffix makes a second, independent reading of the topic. */
  readonly groupSuffix?: string;
  /**
   * 'at-least-once': chunks are whatever a fetch brought.
   * 'exact': the bounds of a chunk are written to the group's offset metadata before the handler runs, so that a retry by anybody has the same records and token.
   */
  readonly delivery: 'at-least-once' | 'exact';
  readonly maxRecords: number;
  /** How long to gather records, where few come, before the handler gets them: for sinks to which a small batch costs as much as a large one. Left out: 100 ms. */
  readonly lingerMs?: number;
  readonly handler: ChunkHandler;
  /** Where to begin a newly assigned partition instead of the committed offset; undefined = committed, else earliest. */
  readonly startAt?: (partition: number, committed: number | undefined) => Promise<number | undefined>;
}

export interface ConsumerHealth {
  readonly assigned: number;
  /** Since the last fetch or heartbeat, in ms. */
  readonly silentMs: number;
  /** Records behind the end of the log over the assigned partitions, as of the last fetch. */
  readonly lag: number;
}

export interface Consumer {
  stop(): Promise<void>;
  /** Begin again at these places (partition -> offset), e.g. to fill a new view from the start. */
  rewind(offsets: ReadonlyMap<number, number>): void;
  health(): ConsumerHealth;
}

/** The port to Kafka. Handlers see neither a client nor a topic string. */
export abstract class MessageLog {
  /** Creates the topics of these rows that do not exist; idempotent. */
  abstract ensureTopics(topics: readonly { id: TopicId; stream?: string }[]): Promise<void>;
  abstract publisher(topic: TopicId): Publisher;
  abstract consume(options: ConsumeOptions): Promise<Consumer>;
  /**
   * Reads a compacted topic from its beginning and follows it. Resolves when everything that was there at the call has been delivered.
   * `onChange` gets the newest value of a key; null = deleted.
   */
  abstract follow(topic: TopicId, onChange: (key: string, value: Buffer | null) => void): Promise<Consumer>;
  /** For each partition of a topic, the offset that the next record will get. */
  abstract endOffsets(topic: TopicId, stream?: string): Promise<number[]>;
  /** For each partition, the offset that the service's group has committed (see ConsumeOptions.groupSuffix); 0 = none yet. */
  abstract committedOffsets(topic: TopicId, stream?: string, groupSuffix?: string): Promise<number[]>;
  abstract close(): Promise<void>;
}
