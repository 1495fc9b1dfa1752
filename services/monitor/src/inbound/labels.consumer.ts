import { decodeValidEvent, isWatermark } from '#libs/contracts/event-record.js';
import {
  type ColumnType,
  isTabular,
  type ModelSpec,
  type StreamSpec,
  type TabularModelSpec,
} from '#libs/definitions/definition-kinds.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import { compileExpression, type CompiledExpression } from '#libs/expressions/compile-expression.js';
import { type FollowedDefinition, followDefinitions } from '#libs/messaging/follow-definitions.js';
import type { Chunk, Consumer, MessageLog } from '#libs/messaging/message-log.js';
import type { Logger } from '#libs/telemetry/logger.js';
import type { MonitorMetrics } from '../monitor.metrics.js';
import type { Label, PredictionLogStore } from '../outbound/prediction-log.store.js';

const maxRecords = 20_000;
const lingerMs = 500;
const settleMs = 50;

interface LabelPlan {
  readonly model: string;
  readonly value: CompiledExpression;
  readonly join: string;
  readonly horizonMs: number;
}

/** Labels as they come: the events of every stream that a model names for its truth. A model that appears later gets the labels of the past too. */
export class LabelsConsumer {
  private readonly streams = new Map<string, StreamSpec>();
  private readonly models = new Map<string, TabularModelSpec>();
  private readonly plans = new Map<string, readonly LabelPlan[]>();
  private readonly consumers = new Map<string, Consumer>();
  private follower: Consumer | undefined;
  private work: Promise<void> = Promise.resolve();
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(
    private readonly log: MessageLog,
    private readonly store: PredictionLogStore,
    private readonly metrics: MonitorMetrics,
    private readonly logger: Logger,
  ) {}

  async start(): Promise<void> {
    this.follower = await followDefinitions(this.log, this.logger, (definition) => this.onDefinition(definition));
    clearTimeout(this.timer);
    this.work = this.work.then(() => this.followAll());
    await this.work;
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.follower?.stop();
    await this.work;
    await Promise.all([...this.consumers.values()].map((consumer) => consumer.stop()));
  }

  private onDefinition({ kind, name, spec }: FollowedDefinition): void {
    const table: Map<string, unknown> | undefined =
      kind === 'Stream' ? this.streams : kind === 'Model' ? this.models : undefined;
    if (table === undefined) return;
    if (spec === undefined || (kind === 'Model' && !isTabular(spec as ModelSpec))) table.delete(name);
    else table.set(name, spec);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => (this.work = this.work.then(() => this.followAll())), settleMs);
  }

  private async followAll(): Promise<void> {
    for (const stream of new Set([...this.models.values()].map(({ label }) => label.stream))) {
      const spec = this.streams.get(stream);
      if (spec !== undefined) await this.followPatiently(spec);
    }
  }

  private async followPatiently(spec: StreamSpec): Promise<void> {
    for (let delayMs = 100; !this.stopped; delayMs = Math.min(5_000, delayMs * 2)) {
      try {
        return await this.follow(spec);
      } catch (error) {
        this.logger.warn('labels_not_followed', { stream: spec.name, error: errorMessage(error) });
        await new Promise((resolve) => setTimeout(resolve, delayMs));
      }
    }
  }

  private async follow(spec: StreamSpec): Promise<void> {
    const before = this.plans.get(spec.name) ?? [];
    const plans = [...this.models.values()]
      .filter(({ label }) => label.stream === spec.name)
      .map((model) => compileLabel(model, spec));
    this.plans.set(spec.name, plans);
    const running = this.consumers.get(spec.name);
    const isNew = plans.some(
      ({ model, value }) => !before.some((known) => known.model === model && known.value.source === value.source),
    );
    if (running !== undefined) {
      if (!isNew) return;
      const ends = await this.log.endOffsets('validEvents', spec.name);
      return running.rewind(new Map(ends.map((_, partition) => [partition, 0])));
    }
    await this.log.ensureTopics([{ id: 'validEvents', stream: spec.name }]);
    const options = {
      topic: 'validEvents',
      stream: spec.name,
      groupSuffix: 'labels',
      delivery: 'exact',
      maxRecords,
      lingerMs,
    } as const;
    this.consumers.set(
      spec.name,
      await this.log.consume({ ...options, handler: (chunk) => this.handle(spec.name, chunk) }),
    );
  }

  private async handle(stream: string, chunk: Chunk): Promise<undefined> {
    const plans = this.plans.get(stream) ?? [];
    const labels = chunk.records
      .filter((record) => !isWatermark(record))
      .flatMap((record) => labelsOf(decodeValidEvent(record), plans));
    if (labels.length === 0) return undefined;
    // The models belong to the token: the same events give other rows once another model wants them.
    await this.store.insertLabels(labels, `${chunk.token} ${plans.map(({ model }) => model).join()}`);
    for (const { model } of plans) this.metrics.labels.inc({ model }, labels.length / plans.length);
    return undefined;
  }
}

function compileLabel(model: TabularModelSpec, stream: StreamSpec): LabelPlan {
  const scope: Record<string, ColumnType> = Object.fromEntries(
    [...stream.schema, ...stream.derive].map(({ name, type }) => [name, type]),
  );
  return {
    model: model.name,
    value: compileExpression(model.label.value, scope),
    join: model.label.join,
    horizonMs: model.label.horizonMs,
  };
}

/** An event without the key, or for which the label has no value, labels nothing. */
function labelsOf(event: ReturnType<typeof decodeValidEvent>, plans: readonly LabelPlan[]): Label[] {
  return plans.flatMap(({ model, value, join, horizonMs }) => {
    const key = event.row[join];
    const label = key === null || key === undefined ? null : value.evaluate(event.row);
    if (label === null) return [];
    const { sourcePartition, sourceOffset, eventTimeMs } = event;
    return [
      {
        model,
        joinKey: String(key),
        label: Number(label),
        labelledAtMs: eventTimeMs,
        horizonMs,
        sourcePartition,
        sourceOffset,
      },
    ];
  });
}
