import type { ModelStatistics, StatisticDuration } from '#libs/contracts/generated/inference/v2/inference.js';
import type { Answer } from './answer.js';

interface Served {
  rows: number;
  lastMs: number;
  success: StatisticDuration;
  fail: StatisticDuration;
}

const never = (): Served => ({ rows: 0, lastMs: 0, success: { count: 0, ns: 0 }, fail: { count: 0, ns: 0 } });

/**
 * What each version of each endpoint served since the process started. A request that two versions answered counts for both. What is not known is left out: requests of
 * many callers share a batch, so a request has no executions, queue or compute times of its own.
 */
export class ServingStatistics {
  private readonly served = new Map<string, Served>();

  /** @param durationMs from a request received to its predictions kept */
  succeeded({ modelName, answeredBy }: Answer, durationMs: number): void {
    for (const { version, rows } of answeredBy) {
      const one = this.entry(modelName, version);
      one.rows += rows;
      one.lastMs = Date.now();
      add(one.success, durationMs);
    }
  }

  failed(model: string, version: string, durationMs: number): void {
    add(this.entry(model, version).fail, durationMs);
  }

  /** All 0 where nothing was served. */
  of(name: string, version: string): ModelStatistics {
    const { rows, lastMs, success, fail } = this.served.get(keyOf(name, version)) ?? never();
    const unknown = { queue: undefined, computeInput: undefined, computeInfer: undefined, computeOutput: undefined };
    return {
      name,
      version,
      lastInference: lastMs,
      inferenceCount: rows,
      executionCount: 0,
      inferenceStats: { success, fail, ...unknown, cacheHit: undefined, cacheMiss: undefined },
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
