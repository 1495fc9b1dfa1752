import { serviceNames } from '#libs/contracts/services.js';
import { type TopicId, topics } from '#libs/contracts/topics.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import type { LagView, MeshFrame, RatePoint, TopicView } from '../../views/mesh.view.js';
import type { GroupOffsets, ServiceProbe, TopicReader } from './ports.js';

const maxPoints = 600;
/** Offsets of groups cost the broker more than ends of topics, and move in chunks anyway. */
const groupsEveryMs = 2_000;

interface Sample {
  readonly atMs: number;
  readonly totals: ReadonlyMap<string, number>;
  readonly answered: number | undefined;
}

/** Draws the mesh as it is now, and remembers enough of the frame before for rates. What cannot be asked leaves a sentence, not an error. */
export class MeshPicture {
  readonly history: RatePoint[] = [];
  private before: Sample | undefined;
  private groups: readonly GroupOffsets[] = [];
  private groupsAtMs = 0;

  constructor(
    private readonly topics: TopicReader,
    private readonly probe: ServiceProbe,
    private readonly now: () => number = Date.now,
  ) {}

  async frame(): Promise<MeshFrame> {
    const problems: string[] = [];
    const or = async <T>(what: string, value: Promise<T>): Promise<T | undefined> => {
      try {
        return await value;
      } catch (error) {
        problems.push(`${what}: ${errorMessage(error)}`);
        return undefined;
      }
    };
    const [services, ends, answered] = await Promise.all([
      Promise.all(serviceNames.map((name) => this.probe.state(name))),
      or('topics', this.topics.ends()),
      or('predictions', this.probe.counter('inference-gateway', 'millrace_inference_gateway_predictions_total')),
    ]);
    await or('consumer lag', this.readGroups());
    const atMs = this.now();
    const views = [...(ends ?? new Map<string, number[]>())].map(([topic, offsets]) =>
      this.topicOf(topic, offsets, atMs),
    );
    const predictionRate = this.rate(this.before?.answered, answered, atMs);
    this.before = {
      atMs,
      totals: new Map(views.map(({ topic, records }) => [topic, records])),
      answered,
    };
    const frame = { atMs, services, topics: views, predictionRate, problems };
    this.remember(frame);
    return frame;
  }

  /** A pause in looking makes no rate: the next frame has none, as the first. */
  forget(): void {
    this.before = undefined;
  }

  private async readGroups(): Promise<void> {
    if (this.now() - this.groupsAtMs < groupsEveryMs) return;
    this.groups = await this.topics.committed();
    this.groupsAtMs = this.now();
  }

  private topicOf(topic: string, ends: readonly number[], atMs: number): TopicView {
    const records = ends.reduce((sum, end) => sum + end, 0);
    const { id, stream } = rowOf(topic);
    const consumers = this.groups.filter((group) => group.topic === topic).map((group) => lagOf(group, ends));
    return { topic, id, stream, records, rate: this.rate(this.before?.totals.get(topic), records, atMs), consumers };
  }

  private rate(before: number | undefined, now: number | undefined, atMs: number): number | null {
    if (this.before === undefined || before === undefined || now === undefined) return null;
    const seconds = (atMs - this.before.atMs) / 1_000;
    // A counter that fell began again with its process.
    return seconds > 0 && now >= before ? (now - before) / seconds : null;
  }

  private remember({ atMs, topics: views, predictionRate }: MeshFrame): void {
    const sum = (id: TopicId): number | null => {
      const rates = views.flatMap((view) => (view.id === id && view.rate !== null ? [view.rate] : []));
      return rates.length === 0 ? null : rates.reduce((total, rate) => total + rate, 0);
    };
    const lag = views.flatMap(({ consumers }) => consumers).reduce((total, one) => total + one.lag, 0);
    this.history.push({
      atMs,
      raw: sum('rawEvents'),
      valid: sum('validEvents'),
      predictions: predictionRate,
      lag,
    });
    if (this.history.length > maxPoints) this.history.shift();
  }
}

function lagOf({ group, offsets }: GroupOffsets, ends: readonly number[]): LagView {
  const service = group.split('.')[0]!;
  const lag = ends.reduce(
    (sum, end, partition) => sum + Math.max(0, end - Math.max(0, offsets.get(partition) ?? 0)),
    0,
  );
  return { group, service, lag };
}

/** Which row of the table a topic is of; '' = none. */
export function rowOf(topic: string): { id: TopicId | ''; stream: string } {
  for (const [id, { name }] of Object.entries(topics) as [TopicId, { name: string }][]) {
    if (name === topic) return { id, stream: '' };
    const [before, after] = name.split('<stream>');
    if (after !== undefined && topic.startsWith(before!) && topic.endsWith(after))
      return { id, stream: topic.slice(before!.length, topic.length - after.length) };
  }
  return { id: '', stream: '' };
}
