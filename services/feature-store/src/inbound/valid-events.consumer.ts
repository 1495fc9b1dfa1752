import { decodeValidEvent, decodeWatermark, isWatermark } from '#libs/contracts/event-record.js';
import type { Chunk, Consumer, LogRecord, MessageLog } from '#libs/messaging/message-log.js';
import type { Logger } from '#libs/telemetry/logger.js';
import { applyChunk, readPositions, type StreamRecord } from '../domain/apply-chunk.js';
import type { Catalog } from '../domain/catalog.js';
import type { OnlineStore, Position } from '../domain/ports.js';
import { bucketOf } from '../domain/plans.js';
import type { FeatureStoreMetrics } from '../feature-store.metrics.js';

const maxRecords = 2_000;

/** Valid events of every stream, into the online store. Where each partition begins is decided by the store's own positions, not by the group's. */
export class ValidEventsConsumer {
  private readonly consumers = new Map<string, Consumer>();
  private readonly positions = new Map<string, Map<string, Position>>();

  constructor(
    private readonly log: MessageLog,
    private readonly store: OnlineStore,
    private readonly catalog: Catalog,
    private readonly metrics: FeatureStoreMetrics,
    private readonly logger: Logger,
  ) {}

  /** Begins with a stream, or fills a view that has become known since; idempotent. */
  async follow(stream: string): Promise<void> {
    this.positions.clear();
    const running = this.consumers.get(stream);
    if (running !== undefined) return this.rewindToLast(stream, running);
    await this.log.ensureTopics([{ id: 'validEvents', stream }]);
    const consumer = await this.log.consume({
      topic: 'validEvents',
      stream,
      delivery: 'at-least-once',
      maxRecords,
      handler: (chunk) => this.handle(stream, chunk),
      startAt: async (partition) => this.firstNeeded(stream, partition),
    });
    this.consumers.set(stream, consumer);
  }

  lag(): number {
    return [...this.consumers.values()].reduce((sum, consumer) => sum + consumer.health().lag, 0);
  }

  silentMs(): number {
    return Math.max(0, ...[...this.consumers.values()].map((consumer) => consumer.health().silentMs));
  }

  async stop(): Promise<void> {
    await Promise.all([...this.consumers.values()].map((consumer) => consumer.stop()));
  }

  private async handle(stream: string, chunk: Chunk): Promise<undefined> {
    const records = chunk.records.map(toStreamRecord);
    const views = this.catalog.viewsOf(stream);
    const key = `${stream}/${chunk.partition}`;
    for (;;) {
      const positions = this.positions.get(key) ?? (await readPositions(this.store, stream, views, chunk.partition));
      this.positions.set(key, positions);
      if (await applyChunk(this.store, stream, chunk.partition, views, records, positions)) break;
      this.positions.delete(key);
      if (chunk.signal.aborted) throw new Error('the partition was taken away');
    }
    this.metrics.eventsApplied.inc({ stream }, records.length);
    const watermarkMs = records.findLast((record) => record.watermarkMs !== undefined)?.watermarkMs;
    if (watermarkMs !== undefined && chunk.partition === 0) await this.expire(stream, watermarkMs);
    return undefined;
  }

  /** Buckets that end before everything that an instant within the ttl can reach. */
  private async expire(stream: string, watermarkMs: number): Promise<void> {
    for (const view of this.catalog.viewsOf(stream)) {
      const before = bucketOf(view, watermarkMs - view.ttlMs - view.maxWindowMs);
      if (this.expired.get(view.id) === before) continue;
      await this.store.expire(view, before);
      this.expired.set(view.id, before);
    }
  }

  private readonly expired = new Map<string, number>();

  private async firstNeeded(stream: string, partition: number): Promise<number> {
    const positions = await readPositions(this.store, stream, this.catalog.viewsOf(stream), partition);
    return Math.min(...[...positions.values()].map((position) => position.nextOffset));
  }

  private async rewindToLast(stream: string, consumer: Consumer): Promise<void> {
    const offsets = new Map<number, number>();
    const ends = await this.log.endOffsets('validEvents', stream);
    for (const partition of ends.keys()) offsets.set(partition, await this.firstNeeded(stream, partition));
    this.logger.info('views_filling', { stream, from: [...offsets.values()] });
    consumer.rewind(offsets);
  }
}

function toStreamRecord(record: LogRecord): StreamRecord {
  if (isWatermark(record)) {
    const { watermarkMs, sourceOffset } = decodeWatermark(record);
    return { validOffset: record.offset, sourceOffset, row: undefined, watermarkMs };
  }
  const event = decodeValidEvent(record);
  const row = {
    eventTimeMs: event.eventTimeMs,
    partition: event.sourcePartition,
    offset: event.sourceOffset,
    columns: event.row,
  };
  return { validOffset: record.offset, sourceOffset: event.sourceOffset, row, watermarkMs: undefined };
}
