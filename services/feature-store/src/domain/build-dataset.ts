import type { CompiledExpression } from '#libs/expressions/compile-expression.js';
import { computeVector } from './compute-vector.js';
import { OfflineLogs, viewsOf } from './offline-logs.js';
import type { ServicePlan } from './plans.js';
import type { HistoryStore } from './ports.js';
import { requestRow } from './rows.js';

export interface LabelPlan {
  readonly stream: string;
  readonly value: CompiledExpression;
  /** Column of both the spine and the label stream. */
  readonly join: string;
  readonly horizonMs: number;
}

export interface DatasetQuestion {
  readonly plan: ServicePlan;
  readonly label: LabelPlan;
  /** Of the spine's event time: from inclusive, to exclusive. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly validateFromMs: number;
  /** Labels with an event time at or after this are not known yet. */
  readonly labelsUntilMs: number;
}

/** Columns of equal length. */
export interface Dataset {
  readonly featureNames: readonly string[];
  /** float32 a feature; NaN = null */
  readonly features: readonly Float32Array[];
  /** NaN = no label within the horizon, or not known yet */
  readonly labels: Float32Array;
  readonly eventTimesMs: readonly number[];
  readonly joinKeys: readonly string[];
  readonly splits: readonly ('train' | 'validate')[];
}

/**
 * The point-in-time training set: one row for each spine event in the window, in order of event time and identity, its features as of that event's own instant (nothing
 * with an event time at or after it can show), its label joined by key within the horizon. The same question over the same history gives the same bytes.
 */
export async function buildDataset(
  history: HistoryStore,
  question: DatasetQuestion,
  onRows: (done: number) => void,
): Promise<Dataset> {
  const { plan, label, fromMs, toMs } = question;
  const labels = await readLabels(history, question);
  const logs = new OfflineLogs(viewsOf(plan.items));
  await logs.load(history, fromMs, toMs);
  const width = plan.featureNames.length;
  const vectors: Float32Array[] = [];
  const [eventTimesMs, joinKeys, labelValues] = [[] as number[], [] as string[], [] as number[]];
  for await (const { eventTimeMs, columns } of history.rows(plan.spine.name, fromMs, toMs)) {
    const vector = new Float32Array(width);
    computeVector(
      plan,
      requestRow(plan.spine, columns),
      eventTimeMs,
      (lookup, entity) => logs.get(lookup, entity),
      vector,
      0,
    );
    vectors.push(vector);
    const key = String(columns[label.join]);
    const found = labels.get(key);
    eventTimesMs.push(eventTimeMs);
    joinKeys.push(key);
    labelValues.push(found !== undefined && found.atMs <= eventTimeMs + label.horizonMs ? found.value : Number.NaN);
    if (vectors.length % 5_000 === 0) onRows(vectors.length);
  }
  const features = Array.from({ length: width }, (_, column) =>
    Float32Array.from(vectors, (vector) => vector[column]!),
  );
  const splits = eventTimesMs.map(
    (ms) => (ms >= question.validateFromMs ? 'validate' : 'train') as 'train' | 'validate',
  );
  return {
    featureNames: plan.featureNames,
    features,
    labels: Float32Array.from(labelValues),
    eventTimesMs,
    joinKeys,
    splits,
  };
}

interface Label {
  readonly value: number;
  readonly atMs: number;
}

/** The first label of each key; true counts as 1, null as no label. */
async function readLabels(
  history: HistoryStore,
  { label, fromMs, toMs, labelsUntilMs }: DatasetQuestion,
): Promise<Map<string, Label>> {
  const labels = new Map<string, Label>();
  for await (const row of history.rows(label.stream, fromMs, Math.min(toMs + label.horizonMs, labelsUntilMs))) {
    const key = String(row.columns[label.join]);
    const value = label.value.evaluate(row.columns);
    if (value !== null && !labels.has(key)) labels.set(key, { value: Number(value), atMs: row.eventTimeMs });
  }
  return labels;
}
