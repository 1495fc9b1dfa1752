import type { Admin, Consumer as KafkaConsumer, EachBatchPayload, Kafka } from 'kafkajs';
import { topicName } from '#libs/contracts/topics.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import type { Logger } from '#libs/telemetry/logger.js';
import { type Tracing, tracingOff } from '#libs/telemetry/tracing.js';
import { keepRunning, type RunningConsumer } from './keep-running.js';
import { toLogRecord } from './kafka-records.js';
import { endProcessSpan, startProcessSpan } from './message-spans.js';
import type { ConsumeOptions, Consumer, ConsumerHealth, LogRecord } from './message-log.js';
import { decodeOffsetMetadata, encodeOffsetMetadata, type OffsetMetadata } from './offset-metadata.js';

interface PartitionState {
  /** The next offset to handle. */
  position: number;
  metadata: OffsetMetadata;
  /** Records of a pending chunk that have come so far. */
  held: LogRecord[];
  /** Where the last seek went, so that it is not repeated for ever. */
  soughtTo: number | undefined;
  abort: AbortController;
}

/** Sent to the group while a handler is retried, so that it is not taken for dead; the delay grows to this. */
const maxRetryDelayMs = 2_000;
/** With a linger, so much ends it early. */
const lingerBytes = 1024 * 1024;

/** One consumer group on one topic, handing out chunks by the rules of ConsumeOptions. */
export class KafkaChunkConsumer implements Consumer {
  private readonly topic: string;
  private readonly consumer: KafkaConsumer;
  private readonly partitions = new Map<number, PartitionState>();
  private readonly lags = new Map<number, number>();
  private lastSignMs = Date.now();
  private assigned = 0;
  private stopping = false;
  private running: RunningConsumer | undefined;
  private stopped: Promise<void> | undefined;

  constructor(
    kafka: Kafka,
    private readonly admin: Admin,
    private readonly groupId: string,
    private readonly options: ConsumeOptions,
    private readonly logger: Logger,
    private readonly tracing: Tracing = tracingOff,
  ) {
    this.topic = topicName(options.topic, options.stream);
    this.consumer = kafka.consumer({
      groupId,
      sessionTimeout: 10_000,
      heartbeatInterval: 1_000,
      rebalanceTimeout: 20_000,
      maxWaitTimeInMs: options.lingerMs ?? 100,
      minBytes: options.lingerMs === undefined ? 1 : lingerBytes,
      retry: {
        initialRetryTime: 100,
        multiplier: 1.5,
        maxRetryTime: 1000,
        retries: 60,
        restartOnFailure: async () => !this.stopping,
      },
    });
  }

  async start(): Promise<void> {
    const { events } = this.consumer;
    this.consumer.on(events.GROUP_JOIN, ({ payload }) => this.onAssigned(payload.memberAssignment[this.topic] ?? []));
    this.consumer.on(events.REBALANCING, () => this.abortAll());
    this.consumer.on(events.HEARTBEAT, () => (this.lastSignMs = Date.now()));
    this.consumer.on(events.FETCH, () => (this.lastSignMs = Date.now()));
    const run = async (): Promise<void> => {
      await this.consumer.subscribe({ topic: this.topic, fromBeginning: true });
      await this.consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        eachBatch: (payload) => this.eachBatch(payload),
      });
    };
    this.running = await keepRunning(this.consumer, run, this.logger, { group: this.groupId }, () => this.abortAll());
  }

  stop(): Promise<void> {
    this.stopping = true;
    this.stopped ??= (this.running ?? this.consumer).stop().finally(() => this.abortAll());
    return this.stopped;
  }

  rewind(offsets: ReadonlyMap<number, number>): void {
    for (const [partition, offset] of offsets) {
      const state = this.partitions.get(partition);
      if (state) Object.assign(state, { position: offset, held: [], soughtTo: undefined });
      this.consumer.seek({ topic: this.topic, partition, offset: String(offset) });
    }
  }

  health(): ConsumerHealth {
    const lag = [...this.lags.values()].reduce((sum, one) => sum + one, 0);
    return { assigned: this.assigned, silentMs: Date.now() - this.lastSignMs, lag };
  }

  private onAssigned(partitions: number[]): void {
    this.abortAll();
    this.lastSignMs = Date.now();
    this.assigned = partitions.length;
    for (const partition of this.lags.keys()) if (!partitions.includes(partition)) this.lags.delete(partition);
  }

  private abortAll(): void {
    for (const state of this.partitions.values()) state.abort.abort();
    this.partitions.clear();
  }

  private async eachBatch(payload: EachBatchPayload): Promise<void> {
    const { batch } = payload;
    const state = await this.stateOf(batch.partition, Number(batch.firstOffset() ?? 0));
    this.lags.set(batch.partition, Number(batch.highWatermark) - state.position);
    const need = this.mustReadFrom(state);
    const first = Number(batch.messages[0]?.offset ?? need);
    // Sought once per place: what retention has removed is not to be had by seeking again.
    if (first > need && state.soughtTo !== need) {
      state.soughtTo = need;
      this.consumer.seek({ topic: this.topic, partition: batch.partition, offset: String(need) });
      return;
    }
    const records = batch.messages
      .map((message) => toLogRecord(batch.partition, message))
      .filter((r) => r.offset >= need);
    await this.handleAll(payload, state, records);
    if (!state.abort.signal.aborted)
      payload.resolveOffset(String(Math.max(this.mustReadFrom(state) - 1, Number(batch.lastOffset()))));
  }

  /** The first offset not yet handed out or held. */
  private mustReadFrom(state: PartitionState): number {
    const last = state.held.at(-1);
    return last === undefined ? state.position : last.offset + 1;
  }

  private async handleAll(payload: EachBatchPayload, state: PartitionState, records: LogRecord[]): Promise<void> {
    let from = 0;
    while (from < records.length && payload.isRunning() && !payload.isStale() && !state.abort.signal.aborted) {
      const { pending } = state.metadata;
      if (pending) {
        const upTo = records.findIndex((record) => record.offset > pending.last);
        const end = upTo < 0 ? records.length : upTo;
        state.held.push(...records.slice(from, end));
        from = end;
        if ((state.held.at(-1)?.offset ?? -1) >= pending.last)
          await this.handleChunk(payload, state, state.held.splice(0));
      } else {
        const chunk = records.slice(from, from + this.options.maxRecords);
        from += chunk.length;
        await this.handleChunk(payload, state, chunk);
      }
      await payload.heartbeat();
    }
  }

  private async handleChunk(payload: EachBatchPayload, state: PartitionState, records: LogRecord[]): Promise<void> {
    const { partition } = payload.batch;
    const [first, last] = [records[0]!.offset, records.at(-1)!.offset];
    if (this.options.delivery === 'exact' && !state.metadata.pending) {
      state.metadata = { pending: { first, last }, carried: state.metadata.carried };
      await this.commit(partition, first, state.metadata);
    }
    const before = state.position;
    const carried = await this.runHandler(payload, state, records, `${this.topic}/${partition}/${first}-${last}`);
    if (carried === undefined) return;
    state.metadata = { pending: undefined, carried };
    if (state.position !== before) return; // rewound meanwhile
    state.position = last + 1;
    await this.commit(partition, last + 1, state.metadata);
    this.lags.set(partition, Math.max(0, Number(payload.batch.highWatermark) - last - 1));
  }

  /** Retries for ever with the same records; gives up (undefined) only when the partition is not ours any more. */
  private async runHandler(
    payload: EachBatchPayload,
    state: PartitionState,
    records: LogRecord[],
    token: string,
  ): Promise<string | undefined> {
    const { carried } = state.metadata;
    const span = startProcessSpan(this.tracing, this.groupId, this.topic, records);
    const trace = span?.spanContext();
    for (let attempt = 0; ; attempt += 1) {
      if (state.abort.signal.aborted || !payload.isRunning() || payload.isStale()) {
        endProcessSpan(span, 'the partition is not ours any more');
        return undefined;
      }
      try {
        const chunk = {
          topic: this.topic,
          partition: payload.batch.partition,
          records,
          token,
          carried,
          signal: state.abort.signal,
          alive: () => payload.heartbeat(),
          trace,
        };
        const next = (await this.options.handler(chunk)) ?? carried;
        endProcessSpan(span);
        return next;
      } catch (error) {
        span?.addEvent('chunk_failed', { attempt, error: errorMessage(error) });
        this.logger
          .within(trace)
          .warn('chunk_failed', { group: this.groupId, token, attempt, error: errorMessage(error) });
        await new Promise((resolve) =>
          setTimeout(resolve, Math.min(maxRetryDelayMs, 100 * 2 ** attempt) * (0.5 + Math.random() / 2)),
        );
        await payload.heartbeat();
      }
    }
  }

  private async commit(partition: number, offset: number, metadata: OffsetMetadata): Promise<void> {
    await this.consumer.commitOffsets([
      { topic: this.topic, partition, offset: String(offset), metadata: encodeOffsetMetadata(metadata) },
    ]);
  }

  /** On the first batch of an assignment: what the group has committed, or where the owner of the data says it stands. */
  private async stateOf(partition: number, firstOffset: number): Promise<PartitionState> {
    const known = this.partitions.get(partition);
    if (known) return known;
    const abort = new AbortController();
    const [fetched] = await this.admin.fetchOffsets({ groupId: this.groupId, topics: [this.topic] });
    const mine = fetched?.partitions.find((p) => p.partition === partition);
    const committed = Number(mine?.offset ?? -1);
    const metadata = decodeOffsetMetadata(mine?.metadata);
    const wanted = await this.options.startAt?.(partition, committed >= 0 ? committed : undefined);
    const position = wanted ?? (committed >= 0 ? committed : firstOffset);
    const state: PartitionState = { position, metadata, held: [], soughtTo: undefined, abort };
    this.partitions.set(partition, state);
    return state;
  }
}
