import { type Aggregation, mean, stdOf } from './aggregate.js';

export interface OracleEvent {
  readonly ts: number;
  readonly partition: number;
  readonly offset: number;
  /** Exact integers of 1/scale, NaN = null. */
  readonly measures: readonly number[];
}

/**
 * The same as evaluateAggregation by plain filter and loop: no running sums, no search, integers as bigint. What production is checked against.
 * @param events in any order, repetitions allowed
 * @param visible which events count by their coordinates; all, when left out
 */
export function bruteForceAggregation(
  events: readonly OracleEvent[],
  aggregation: Aggregation,
  q: number,
  visible: (partition: number, offset: number) => boolean = () => true,
): number {
  const { fn, measure, windowMs, scale, capMinutes } = aggregation;
  const from = fn === 'sinceLast' ? Number.NEGATIVE_INFINITY : q - windowMs;
  const inWindow = events.filter((event) => event.ts >= from && event.ts < q && visible(event.partition, event.offset));
  inWindow.sort(byIdentity);
  const distinct = inWindow.filter((event, i) => i === 0 || byIdentity(inWindow[i - 1]!, event) !== 0);
  if (fn === 'sinceLast') {
    const cap = capMinutes ?? Number.POSITIVE_INFINITY;
    const last = distinct.at(-1);
    return last === undefined ? cap : Math.min(cap, (q - last.ts) / 60_000);
  }
  if (measure < 0) return distinct.length;
  const values = distinct.map((event) => event.measures[measure]!).filter((value) => !Number.isNaN(value));
  if (fn === 'count') return values.length;
  if (values.length === 0) return Number.NaN;
  const sum = values.reduce((total, value) => total + BigInt(value), 0n);
  switch (fn) {
    case 'sum':
      return Number(sum) / scale;
    case 'mean':
      return mean(Number(sum), values.length, scale);
    case 'std':
      return stdOf(
        values.length,
        sum,
        values.reduce((total, value) => total + BigInt(value) * BigInt(value), 0n),
        scale,
      );
    case 'min':
      return values.reduce((a, b) => (b < a ? b : a)) / scale;
    case 'max':
      return values.reduce((a, b) => (b > a ? b : a)) / scale;
    case 'first':
      return values[0]! / scale;
    case 'last':
      return values.at(-1)! / scale;
  }
}

function byIdentity(a: OracleEvent, b: OracleEvent): number {
  return a.ts - b.ts || a.partition - b.partition || a.offset - b.offset;
}
