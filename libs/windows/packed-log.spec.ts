import { describe, expect, it } from '@jest/globals';
import { evaluateAggregation } from './aggregate.js';
import { EntityLog } from './entity-log.js';
import { quantise } from './measure.js';
import { decodeRecords, encodeRecord, recordBytes } from './packed-log.js';

describe('packed records', () => {
  const bytes = Buffer.alloc(3 * recordBytes(2));
  [1, 2, 2].forEach((offset, i) =>
    encodeRecord(bytes, i * recordBytes(2), {
      ts: 990_000_000_000 + offset,
      partition: 3,
      offset,
      measures: [offset * 10, Number.NaN],
    }),
  );

  it('come back as they were, a repeated one once', () => {
    const log = new EntityLog(2);
    decodeRecords(bytes, 2, log);
    expect(log.size).toBe(2);
    expect(evaluateAggregation(log, { fn: 'sum', measure: 0, windowMs: 1000, scale: 1 }, 990_000_000_010)).toBe(30);
    expect(evaluateAggregation(log, { fn: 'count', measure: 1, windowMs: 1000, scale: 1 }, 990_000_000_010)).toBe(0);
  });

  it('refuse bytes that are not whole records', () => {
    expect(() => decodeRecords(bytes.subarray(1), 2, new EntityLog(2))).toThrow('whole records');
  });
});

describe('quantise', () => {
  it.each([
    [true, 1, 1],
    [null, 1, Number.NaN],
    [-0, 1, 0],
    [0.1, 1_000_000, 100_000],
    [-1.234_567_5, 1_000_000, -1_234_568],
  ])('%p at scale %p is %p', (value, scale, expected) => {
    expect(quantise(value, scale)).toBe(expected);
  });

  it.each([Number.POSITIVE_INFINITY, Number.NaN, 'x', 1.5])('refuses %p as an integer', (value) => {
    expect(() => quantise(value, 1)).toThrow(RangeError);
  });
});
