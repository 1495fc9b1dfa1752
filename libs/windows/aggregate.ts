import type { EntityLog } from './entity-log.js';

export type AggregationFunction = 'count' | 'sum' | 'mean' | 'min' | 'max' | 'std' | 'first' | 'last' | 'sinceLast';

export interface Aggregation {
  readonly fn: AggregationFunction;
  /** Index of the measure; -1 = '*', every event. */
  readonly measure: number;
  readonly windowMs: number;
  /** Measures are integers of 1/scale. */
  readonly scale: number;
  /** Of sinceLast: at most so many minutes, and the value where there was no event. */
  readonly capMinutes?: number;
}

/**
 * An aggregate over the events with q - windowMs <= time < q. An event at q is never seen, whatever newer ones the log holds. Nulls do not contribute.
 * count of nothing is 0; every other function of nothing is NaN (null); sinceLast of nothing is the cap. std is of the population. One rounding to float64, at the end.
 * @param log undefined = nothing is known of the entity
 * @param q the instant, epoch ms
 */
export function evaluateAggregation(log: EntityLog | undefined, aggregation: Aggregation, q: number): number {
  const from = log?.lowerBound(q - aggregation.windowMs) ?? 0;
  const to = log?.lowerBound(q) ?? 0;
  const { fn, measure, scale } = aggregation;
  if (fn === 'sinceLast') return sinceLast(log, to, q, aggregation.capMinutes ?? Number.POSITIVE_INFINITY);
  if (measure < 0) return to - from;
  const count = log?.count(measure, from, to) ?? 0;
  if (fn === 'count') return count;
  if (log === undefined || count === 0) return Number.NaN;
  switch (fn) {
    case 'sum':
      return log.sum(measure, from, to) / scale;
    case 'mean':
      return mean(log.sum(measure, from, to), count, scale);
    case 'std':
      return std(log, measure, from, to, scale);
    case 'min':
    case 'max':
      return extreme(log, measure, from, to, fn === 'min' ? -1 : 1) / scale;
    case 'first':
    case 'last':
      return outermost(log, measure, from, to, fn === 'first') / scale;
  }
}

/** sum / (count x scale), rounded once: the divisor is exact. */
export function mean(sum: number, count: number, scale: number): number {
  return sum / (count * scale);
}

/**
 * Population standard deviation from exact integers: sqrt(n * sum(x^2) - sum(x)^2) / (n * scale). The radicand is exact as a bigint and rounded once.
 */
export function stdOf(count: number, sum: bigint, sumOfSquares: bigint, scale: number): number {
  return Math.sqrt(Number(BigInt(count) * sumOfSquares - sum * sum)) / (count * scale);
}

function std(log: EntityLog, measure: number, from: number, to: number, scale: number): number {
  let [count, sum, squares] = [0, 0n, 0n];
  for (let i = from; i < to; i += 1) {
    const value = log.value(measure, i);
    if (Number.isNaN(value)) continue;
    const exact = BigInt(value);
    count += 1;
    sum += exact;
    squares += exact * exact;
  }
  return stdOf(count, sum, squares, scale);
}

/** A scan of the window: minimum and maximum cannot be subtracted. */
function extreme(log: EntityLog, measure: number, from: number, to: number, sign: number): number {
  let best = Number.NaN;
  for (let i = from; i < to; i += 1) {
    const value = log.value(measure, i);
    if (!Number.isNaN(value) && (Number.isNaN(best) || (value - best) * sign > 0)) best = value;
  }
  return best;
}

function outermost(log: EntityLog, measure: number, from: number, to: number, first: boolean): number {
  for (let i = first ? from : to - 1; i >= from && i < to; i += first ? 1 : -1) {
    const value = log.value(measure, i);
    if (!Number.isNaN(value)) return value;
  }
  return Number.NaN;
}

function sinceLast(log: EntityLog | undefined, to: number, q: number, capMinutes: number): number {
  if (log === undefined || to === 0) return capMinutes;
  return Math.min(capMinutes, (q - log.time(to - 1)) / 60_000);
}
