import { decodeValidEvent, isWatermark } from '#libs/contracts/event-record.js';
import type { Chunk, Consumer, MessageLog } from '#libs/messaging/message-log.js';
import type { StreamPlan } from '../domain/plans.js';
import type { FeatureStoreMetrics } from '../feature-store.metrics.js';
import type { ClickHouseHistoryStore } from '../outbound/clickhouse-history.store.js';

const groupSuffix = 'history';
const maxRecords = 20_000;
const lingerMs = 500;

/** Valid events into the history: a chunk is one insert, and its token makes a repetition do nothing. */
export class HistoryConsumer {
  private readonly consumers = new Map<string, Consumer>();

  constructor(
    private readonly log: MessageLog,
    private readonly history: ClickHouseHistoryStore,
    private readonly metrics: FeatureStoreMetrics,
  ) {}

  /** Begins with a stream; for one that is known already it adds columns that are new. */
  async follow(stream: StreamPlan): Promise<void> {
    await this.history.ensureTable(stream);
    if (this.consumers.has(stream.name)) return;
    const options = {
      topic: 'validEvents',
      stream: stream.name,
      groupSuffix,
      delivery: 'exact',
      maxRecords,
      lingerMs,
    } as const;
    this.consumers.set(
      stream.name,
      await this.log.consume({ ...options, handler: (chunk) => this.handle(stream.name, chunk) }),
    );
  }

  /** Resolves when everything that is in the valid topic now has been written. */
  async caughtUp(stream: string, signal: AbortSignal): Promise<void> {
    const ends = await this.log.endOffsets('validEvents', stream);
    for (;;) {
      const committed = await this.log.committedOffsets('validEvents', stream, groupSuffix);
      if (ends.every((end, partition) => (committed[partition] ?? 0) >= end)) return;
      signal.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async stop(): Promise<void> {
    await Promise.all([...this.consumers.values()].map((consumer) => consumer.stop()));
  }

  private async handle(stream: string, chunk: Chunk): Promise<undefined> {
    const rows = chunk.records
      .filter((record) => !isWatermark(record))
      .map((record) => {
        const { id, eventTimeMs, sourcePartition, sourceOffset, late, row } = decodeValidEvent(record);
        return { id, late, eventTimeMs, partition: sourcePartition, offset: sourceOffset, columns: row };
      });
    if (rows.length === 0) return undefined;
    await this.history.insert(stream, rows, chunk.token);
    this.metrics.historyRows.inc({ stream }, rows.length);
    return undefined;
  }
}
