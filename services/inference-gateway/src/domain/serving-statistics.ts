import type { ModelStatistics, StatisticDuration } from '#libs/contracts/generated/inference/v2/inference.js';
import type { Answer } from './answer.js';

interface Served {
  rows: number;
  lastMs: number;
  readonly success: StatisticDuration;
  readonly fail: StatisticDuration;
  /** Waited for the vectors. */
  readonly features: StatisticDuration;
  /** Waited for the scores: the batch that the request was in, its way there and back. */
  readonly infer: StatisticDuration;
  /** The rest: read, kept in the log, written. */
  readonly rest: StatisticDuration;
}

const none = (): StatisticDuration => ({ count: 0, ns: 0 });
const never = (): Served => ({
  rows: 0,
  lastMs: 0,
  success: none(),
  fail: none(),
  features: none(),
  infer: none(),
  rest: none(),
});

/**
 * What each version of each endpoint served since the process started. A request that two versions answered counts for both. No request has a queue of its
 * own: what it waits for company in a batch is in the times of vectors and scores, and a queue's time is 0. Executions are shared by many callers and 0 here; nothing is cached.
 */
export class ServingStatistics {
  private readonly served = new Map<string, Served>();

  /** @param durationMs from a request received to its predictions kept */
  succeeded({ modelName, answeredBy, timesMs }: Answer, durationMs: number): void {
    for (const { version, rows } of answeredBy) {
      const one = this.entry(modelName, version);
      one.rows += rows;
      one.lastMs = Date.now();
      add(one.success, durationMs);
      if (timesMs === undefined) continue;
      add(one.features, timesMs.features);
      add(one.infer, timesMs.infer);
      add(one.rest, Math.max(0, durationMs - timesMs.features - timesMs.infer));
    }
  }

  failed(model: string, version: string, durationMs: number): void {
    add(this.entry(model, version).fail, durationMs);
  }

  of(name: string, version: string): ModelStatistics {
    const one = this.served.get(keyOf(name, version)) ?? never();
    return {
      name,
      version,
      lastInference: one.lastMs,
      inferenceCount: one.rows,
      executionCount: 0,
      inferenceStats: {
        success: { ...one.success },
        fail: { ...one.fail },
        queue: { count: one.success.count, ns: 0 },
        computeInput: { ...one.features },
        computeInfer: { ...one.infer },
        computeOutput: { ...one.rest },
        cacheHit: none(),
        cacheMiss: none(),
      },
      batchStats: [],
      memoryUsage: [],
      responseStats: {},
    };
  }

  private entry(name: string, version: string): Served {
    const key = keyOf(name, version);
    let found = this.served.get(key);
    if (found === undefined) this.served.set(key, (found = never()));
    return found;
  }
}

function keyOf(name: string, version: string): string {
  return `${name}@${version}`;
}

function add(to: StatisticDuration, durationMs: number): void {
  to.count += 1;
  to.ns += Math.round(durationMs * 1e6);
}
