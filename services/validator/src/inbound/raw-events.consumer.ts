import { type EncodedRecord, headerNames } from '#libs/contracts/event-record.js';
import { QuarantinedEvent } from '#libs/contracts/generated/millrace/validator/v1/validator.js';
import type { Chunk, Consumer, MessageLog, Publisher } from '#libs/messaging/message-log.js';
import {
  inItsTrace,
  type Outcome,
  PartitionValidator,
  type Quarantined,
  rememberedIds,
  type StreamCheck,
} from '../domain/partition-validator.js';
import type { ValidatorMetrics } from '../validator.metrics.js';

const maxRecords = 4_000;

/** Raw events of every stream: each becomes valid, quarantined, or was there before. */
export class RawEventsConsumer {
  private readonly consumers = new Map<string, Consumer>();
  private readonly checks = new Map<string, StreamCheck>();
  private readonly partitions = new Map<string, PartitionValidator>();
  private readonly valid: Publisher;
  private readonly quarantined: Publisher;

  constructor(
    private readonly log: MessageLog,
    private readonly metrics: ValidatorMetrics,
  ) {
    this.valid = log.publisher('validEvents');
    this.quarantined = log.publisher('quarantinedEvents');
  }

  /** Begins with a stream; for one that is known already the new contract holds from the next chunk on. */
  async follow(stream: string, check: StreamCheck): Promise<void> {
    this.checks.set(stream, check);
    if (this.consumers.has(stream)) return;
    await this.log.ensureTopics([
      { id: 'rawEvents', stream },
      { id: 'validEvents', stream },
      { id: 'quarantinedEvents', stream },
    ]);
    const consumer = await this.log.consume({
      topic: 'rawEvents',
      stream,
      delivery: 'at-least-once',
      maxRecords,
      startAt: async (_partition, committed) =>
        committed === undefined ? undefined : Math.max(0, committed - rememberedIds),
      handler: (chunk) => this.handle(stream, chunk),
    });
    this.consumers.set(stream, consumer);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.consumers.values()].map((consumer) => consumer.stop()));
  }

  private async handle(stream: string, chunk: Chunk): Promise<string> {
    const key = `${stream}/${chunk.partition}`;
    let partition = this.partitions.get(key);
    if (partition === undefined || !partition.continues(chunk.records))
      partition = new PartitionValidator(chunk.carried);
    this.partitions.delete(key); // of a chunk that fails nothing is kept: it is decided anew from what is carried
    const outcome = partition.decide(this.checks.get(stream)!, chunk.records);
    await chunk.alive();
    await this.publish(stream, outcome);
    partition.published(chunk.records);
    this.partitions.set(key, partition);
    this.count(stream, outcome);
    return partition.carried();
  }

  private async publish(stream: string, { valid, quarantined }: Outcome): Promise<void> {
    if (valid.length > 0) await this.valid.publish(valid, stream);
    if (quarantined.length > 0)
      await this.quarantined.publish(
        quarantined.map((one) => encodeQuarantined(stream, one)),
        stream,
      );
  }

  private count(stream: string, { counts, quarantined }: Outcome): void {
    for (const [outcome, count] of Object.entries(counts))
      if (count > 0) this.metrics.events.inc({ stream, outcome }, count);
    if (quarantined.length > 0) this.metrics.events.inc({ stream, outcome: 'quarantined' }, quarantined.length);
    for (const { reasons } of quarantined) for (const { code } of reasons) this.metrics.reasons.inc({ stream, code });
  }
}

function encodeQuarantined(stream: string, { record, reasons }: Quarantined): EncodedRecord {
  const event = QuarantinedEvent.fromPartial({
    stream,
    sourcePartition: record.partition,
    sourceOffset: record.offset,
    eventId: record.headers[headerNames.id] ?? '',
    quarantinedAtMs: record.timestampMs,
    reasons: [...reasons],
    data: record.value ?? Buffer.alloc(0),
    key: record.key ?? Buffer.alloc(0),
  });
  const headers = {
    [headerNames.source]: record.headers[headerNames.source] ?? '',
    [headerNames.type]: record.headers[headerNames.type] ?? '',
  };
  const value = Buffer.from(QuarantinedEvent.encode(event).finish());
  return inItsTrace({ key: record.key, value, headers, partition: record.partition }, record);
}
