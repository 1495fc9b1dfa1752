import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Aggregation, type AggregationFunction, evaluateAggregation } from './aggregate.js';
import { bruteForceAggregation, type OracleEvent } from './brute-force.js';
import { EntityLog } from './entity-log.js';

const functions: AggregationFunction[] = ['count', 'sum', 'mean', 'min', 'max', 'std', 'first', 'last', 'sinceLast'];

const event: fc.Arbitrary<OracleEvent> = fc.record({
  ts: fc.integer({ min: 0, max: 60 }),
  partition: fc.integer({ min: 0, max: 2 }),
  offset: fc.integer({ min: 0, max: 5 }),
  measures: fc.tuple(fc.oneof(fc.integer({ min: -1_000_000, max: 1_000_000 }), fc.constant(Number.NaN))),
});

const aggregation: fc.Arbitrary<Aggregation> = fc.record({
  fn: fc.constantFrom(...functions),
  measure: fc.constantFrom(0, 0, 0),
  windowMs: fc.integer({ min: 1, max: 80 }),
  scale: fc.constantFrom(1, 1_000_000),
  capMinutes: fc.constant(0.0005),
});

/** The first of repeated identities is kept by both; give repetitions the same content, as redelivery does. */
function consistent(events: readonly OracleEvent[]): OracleEvent[] {
  const first = new Map<string, OracleEvent>();
  return events.map((e) => {
    const key = `${e.ts}/${e.partition}/${e.offset}`;
    if (!first.has(key)) first.set(key, e);
    return first.get(key)!;
  });
}

function logOf(events: readonly OracleEvent[]): EntityLog {
  const log = new EntityLog(1);
  for (const e of events) log.insert(e.ts, e.partition, e.offset, e.measures);
  return log;
}

describe('evaluateAggregation', () => {
  it('equals the brute-force oracle bit for bit, for any order, repetition and late arrival', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), aggregation, fc.integer({ min: 0, max: 70 }), (raw, agg, q) => {
        const events = consistent(raw);
        expect(evaluateAggregation(logOf(events), agg, q)).toBe(bruteForceAggregation(events, agg, q));
      }),
      { numRuns: 2_000, seed: 20_010_409 },
    );
  });

  it('never lets an event at or after q show', () => {
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 30 }),
        fc.array(event, { maxLength: 30 }),
        aggregation,
        fc.integer({ min: 0, max: 60 }),
        (raw, later, agg, q) => {
          const events = consistent(raw);
          const newer = later.map((e) => ({ ...e, ts: q + e.ts }));
          const before = evaluateAggregation(logOf(events.filter((e) => e.ts < q)), agg, q);
          expect(evaluateAggregation(logOf([...events.filter((e) => e.ts < q), ...newer]), agg, q)).toBe(before);
        },
      ),
      { numRuns: 1_000, seed: 7 },
    );
  });

  it('takes the event at q - window and leaves the one at q', () => {
    const log = new EntityLog(0);
    log.insert(10, 0, 0, []);
    log.insert(20, 0, 1, []);
    const count: Aggregation = { fn: 'count', measure: -1, windowMs: 10, scale: 1 };
    expect(evaluateAggregation(log, count, 20)).toBe(1);
    expect(evaluateAggregation(log, count, 21)).toBe(1);
    expect(evaluateAggregation(log, count, 10)).toBe(0);
  });

  it.each(functions)('%s of an unknown entity is null, count 0, sinceLast its cap', (fn) => {
    const value = evaluateAggregation(undefined, { fn, measure: 0, windowMs: 10, scale: 1, capMinutes: 5 }, 100);
    expect(value).toBe({ count: 0, sinceLast: 5 }[fn as string] ?? Number.NaN);
  });
});
