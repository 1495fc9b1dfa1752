import { Kafka, Partitioners, logLevel, type Admin, type LogEntry, type Producer } from 'kafkajs';
import type { EncodedRecord } from '#libs/contracts/event-record.js';
import type { ServiceName } from '#libs/contracts/services.js';
import { topicName, topics, type TopicId } from '#libs/contracts/topics.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import type { Logger } from '#libs/telemetry/logger.js';
import { type Tracing, tracingOff } from '#libs/telemetry/tracing.js';
import { followCompacted } from './kafka-follower.js';
import { KafkaChunkConsumer } from './kafka-chunk-consumer.js';
import { startSendSpans } from './message-spans.js';
import { MessageLog, type ConsumeOptions, type Consumer, type Publisher } from './message-log.js';
import { partitionOf } from './partition-of.js';
import type { Wiring } from './wiring.js';

/** Measured: with these a broker's outage neither crashes a consumer nor fails a send; both go on within a second of its return. */
const retry = { initialRetryTime: 100, multiplier: 1.5, maxRetryTime: 1000, retries: 60 };
/** One record may be so large; a send stays far below it, for the broker takes what a partition gets in one send as one batch. */
const maxRecordBytes = 16 * 1024 * 1024;
const maxSendBytes = 1_000_000;
const recordFaults = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE', 'INVALID_RECORD', 'INVALID_TIMESTAMP']);
const dayMs = 24 * 3600 * 1000;

/** MessageLog over kafkajs. */
export class KafkaMessageLog extends MessageLog {
  private readonly kafka: Kafka;
  private admin: Promise<Admin> | undefined;
  private producer: Promise<Producer> | undefined;
  private readonly consumers = new Set<Consumer>();

  constructor(
    private readonly service: ServiceName,
    brokers: string[],
    private readonly wiring: Wiring,
    private readonly logger: Logger,
    private readonly tracing: Tracing = tracingOff,
  ) {
    super();
    this.kafka = new Kafka({
      clientId: service,
      brokers,
      retry,
      connectionTimeout: 2_000,
      requestTimeout: 10_000,
      logLevel: logLevel.WARN,
      logCreator: () => (entry) => this.log(entry),
    });
  }

  async ensureTopics(wanted: readonly { id: TopicId; stream?: string }[]): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.createMissing(wanted);
      } catch (error) {
        // A topic that was made a moment ago, here or by another, may not have a leader yet.
        if (attempt === 50 || (error as { retriable?: boolean }).retriable !== true) throw error;
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    }
  }

  publisher(topic: TopicId): Publisher {
    this.wiring.addPublisher(topic);
    const { partitions } = topics[topic];
    return {
      publish: async (records, stream) => {
        const name = topicName(topic, stream);
        const spans = startSendSpans(this.tracing, name, records);
        try {
          const firstOffsets = await this.send(name, partitions, spans?.records ?? records);
          spans?.end();
          return firstOffsets;
        } catch (error) {
          spans?.end(error);
          throw error;
        }
      },
    };
  }

  async consume(options: ConsumeOptions): Promise<Consumer> {
    this.wiring.addConsumer(options.topic);
    const groupId = this.groupId(options.stream, options.groupSuffix);
    const consumer = new KafkaChunkConsumer(
      this.kafka,
      await this.connectedAdmin(),
      groupId,
      options,
      this.logger,
      this.tracing,
    );
    this.consumers.add(consumer);
    await consumer.start();
    return consumer;
  }

  async follow(topic: TopicId, onChange: (key: string, value: Buffer | null) => void): Promise<Consumer> {
    this.wiring.addConsumer(topic);
    const follower = await followCompacted(
      this.kafka,
      await this.connectedAdmin(),
      this.service,
      topicName(topic),
      onChange,
      this.logger,
    );
    this.consumers.add(follower);
    return follower;
  }

  async endOffsets(topic: TopicId, stream?: string): Promise<number[]> {
    const admin = await this.connectedAdmin();
    const offsets = await admin.fetchTopicOffsets(topicName(topic, stream));
    return offsets.toSorted((a, b) => a.partition - b.partition).map((o) => Number(o.high));
  }

  async committedOffsets(topic: TopicId, stream?: string, groupSuffix?: string): Promise<number[]> {
    const admin = await this.connectedAdmin();
    const name = topicName(topic, stream);
    const [found] = await admin.fetchOffsets({ groupId: this.groupId(stream, groupSuffix), topics: [name] });
    const byPartition = new Map(found?.partitions.map((p) => [p.partition, Math.max(0, Number(p.offset))]));
    return Array.from({ length: topics[topic].partitions }, (_, partition) => byPartition.get(partition) ?? 0);
  }

  async close(): Promise<void> {
    await Promise.all([...this.consumers].map((consumer) => consumer.stop()));
    await (await this.producer)?.disconnect();
    await (await this.admin)?.disconnect();
  }

  /** @returns for each partition written, the offset of its first record */
  private async send(
    topic: string,
    partitions: number,
    records: readonly EncodedRecord[],
  ): Promise<ReadonlyMap<number, number>> {
    const producer = await this.connectedProducer();
    const firstOffsets = new Map<number, number>();
    for (const group of sends(records)) {
      const messages = group.map((record) => toMessage(record, partitions));
      const sent = await producer.send({ topic, acks: -1, messages }).catch((error: unknown) => {
        this.leaveProducer(error);
        throw error;
      });
      for (const part of sent)
        if (!firstOffsets.has(part.partition)) firstOffsets.set(part.partition, Number(part.baseOffset ?? -1));
    }
    return firstOffsets;
  }

  private async createMissing(wanted: readonly { id: TopicId; stream?: string }[]): Promise<void> {
    const admin = await this.connectedAdmin();
    const existing = new Set(await admin.listTopics());
    const missing = wanted.filter(({ id, stream }) => !existing.has(topicName(id, stream)));
    if (missing.length === 0) return;
    const created = missing.map(({ id, stream }) => ({
      topic: topicName(id, stream),
      numPartitions: topics[id].partitions,
      replicationFactor: -1,
      configEntries: [
        retentionConfig(topics[id].retention),
        { name: 'max.message.bytes', value: String(maxRecordBytes) },
      ],
    }));
    await admin.createTopics({ topics: created, waitForLeaders: true });
  }

  private groupId(stream: string | undefined, suffix: string | undefined): string {
    return [this.service, stream, suffix].filter((part) => part !== undefined).join('.');
  }

  private connectedAdmin(): Promise<Admin> {
    this.admin ??= connected(this.kafka.admin());
    return this.admin;
  }

  private connectedProducer(): Promise<Producer> {
    this.producer ??= connected(
      this.kafka.producer({
        idempotent: true,
        maxInFlightRequests: 1,
        createPartitioner: Partitioners.DefaultPartitioner,
      }),
    );
    return this.producer;
  }

  /**
   * Of a producer whose send has failed nobody knows which sequence number the broker expects next: it may refuse all that follows. The next send gets one of its own.
   * What is wrong with the records themselves says nothing of the producer.
   */
  private leaveProducer(error: unknown): void {
    const left = this.producer;
    if (left === undefined || recordFaults.has((error as { type?: string }).type ?? '')) return;
    this.producer = undefined;
    void left
      .then((producer) => producer.disconnect())
      .catch((failed: unknown) => this.logger.warn('producer_not_closed', { error: errorMessage(failed) }));
  }

  /** kafkajs calls every retriable fault an ERROR; only what it gives up on is one. */
  private log({ level, namespace, log }: LogEntry): void {
    const retriable = typeof log['retryTime'] === 'number' || log['retriable'] === true;
    const fields = {
      namespace,
      message: log.message,
      error: log['error'] as unknown,
      groupId: log['groupId'] as unknown,
    };
    if (level === logLevel.ERROR && !retriable) this.logger.warn('kafka_client_error', fields);
    else this.logger.debug('kafka_client', fields);
  }
}

async function connected<C extends { connect(): Promise<void> }>(client: C): Promise<C> {
  await client.connect();
  return client;
}

function retentionConfig(retention: 'compact' | number): { name: string; value: string } {
  if (retention === 'compact') return { name: 'cleanup.policy', value: 'compact' };
  return { name: 'retention.ms', value: String(retention * dayMs) };
}

function toMessage(
  record: EncodedRecord,
  partitions: number,
): { key: Buffer | null; value: Buffer; headers: Record<string, string>; partition: number } {
  const partition = record.partition ?? partitionOf(record.key, partitions);
  return { key: record.key, value: record.value, headers: record.headers, partition };
}

/** In order, each group below the bound or of one record. */
function* sends(records: readonly EncodedRecord[]): Generator<readonly EncodedRecord[]> {
  let [from, bytes] = [0, 0];
  for (const [i, { key, value }] of records.entries()) {
    const size = value.length + (key?.length ?? 0) + 200;
    if (i > from && bytes + size > maxSendBytes) {
      yield records.slice(from, i);
      [from, bytes] = [i, 0];
    }
    bytes += size;
  }
  if (from < records.length) yield records.slice(from);
}
