import { bruteForceAggregation, type OracleEvent } from '#libs/windows/brute-force.js';
import { viewsOf } from './offline-logs.js';
import { lookupEntity } from './compute-vector.js';
import type { Lookup, ServicePlan, ViewPlan } from './plans.js';
import type { HistoryStore, LoggedVector } from './ports.js';
import { requestRow } from './rows.js';
import { entityOf, measuresOf } from './view-writer.js';

export interface Mismatch {
  readonly predictionId: string;
  readonly feature: string;
  readonly online: number;
  readonly offline: number;
}

export interface Verification {
  compared: number;
  mismatches: number;
  /** At most 20. */
  readonly examples: Mismatch[];
}

const maxExamples = 20;

/**
 * Recomputes logged vectors from history and compares them bit for bit. Independent of the way they were served: events come from the history, windows are evaluated by
 * plain filter and loop, and of the events only those count that the served vector could see by the offsets logged with it.
 */
export async function verifyVectors(
  history: HistoryStore,
  plan: ServicePlan,
  endpoint: string,
  window: { fromMs: number; toMs: number },
  sampled: (joinKey: string) => boolean,
): Promise<Verification> {
  const result: Verification = { compared: 0, mismatches: 0, examples: [] };
  const events = new EventsByEntity(viewsOf(plan.items));
  await events.load(history, window.fromMs, window.toMs);
  for await (const logged of history.loggedVectors(endpoint, window.fromMs, window.toMs)) {
    if (logged.featureService !== plan.name || logged.featureServiceDigest !== plan.digest || !sampled(logged.joinKey))
      continue;
    result.compared += 1;
    const differing = compare(plan, logged, recompute(plan, logged, events));
    if (differing.length > 0) result.mismatches += 1;
    result.examples.push(...differing.slice(0, maxExamples - result.examples.length));
  }
  return result;
}

function compare(plan: ServicePlan, logged: LoggedVector, offline: readonly number[]): Mismatch[] {
  return plan.featureNames.flatMap((feature, i) => {
    const [a, b] = [logged.features[i] ?? Number.NaN, Math.fround(offline[i]!)];
    return Object.is(a, b) ? [] : [{ predictionId: logged.predictionId, feature, online: a, offline: b }];
  });
}

function recompute(plan: ServicePlan, logged: LoggedVector, events: EventsByEntity): number[] {
  const row = requestRow(plan.spine, logged.request);
  return plan.items.flatMap((item) => {
    if ('request' in item) {
      const value = item.request.evaluate(row);
      return [value === null ? Number.NaN : Number(value)];
    }
    const { lookup } = item;
    const offsets = logged.visible.get(lookup.view.stream) ?? [];
    const visible = (partition: number, offset: number): boolean => offset <= (offsets[partition] ?? -1);
    const inWindow = events.within(lookup, lookupEntity(lookup, row), logged.asOfMs);
    return lookup.features.map(({ aggregation }) =>
      bruteForceAggregation(inWindow, aggregation, logged.asOfMs, visible),
    );
  });
}

/** Events a view and entity, in order of time. */
class EventsByEntity {
  private readonly events = new Map<string, OracleEvent[]>();

  constructor(private readonly views: readonly ViewPlan[]) {}

  async load(history: HistoryStore, fromMs: number, toMs: number): Promise<void> {
    for (const view of this.views) {
      for await (const row of history.rows(view.stream, fromMs - view.maxWindowMs, toMs)) {
        const entity = entityOf(view, row.columns);
        if (entity === undefined) continue;
        const key = `${view.id}:${entity}`;
        const list = this.events.get(key) ?? [];
        this.events.set(key, list);
        list.push({
          ts: row.eventTimeMs,
          partition: row.partition,
          offset: row.offset,
          measures: measuresOf(view, row.columns),
        });
      }
    }
  }

  /** Only cuts away what no window of the view can reach; the oracle decides. */
  within(lookup: Lookup, entity: string | undefined, q: number): readonly OracleEvent[] {
    const list = this.events.get(`${lookup.view.id}:${entity}`) ?? [];
    return list.slice(firstAtOrAfter(list, q - lookup.view.maxWindowMs), firstAtOrAfter(list, q));
  }
}

function firstAtOrAfter(list: readonly OracleEvent[], ms: number): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle]!.ts < ms) low = middle + 1;
    else high = middle;
  }
  return low;
}
