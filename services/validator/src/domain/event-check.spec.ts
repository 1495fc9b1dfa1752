import { describe, expect, it } from '@jest/globals';
import type { StreamSpec } from '#libs/definitions/definition-kinds.js';
import { compileEventCheck } from './event-check.js';

const spec: StreamSpec = {
  name: 'trips',
  eventTime: 'at',
  latenessMs: 0,
  schema: [
    { name: 'at', type: 'timestamp', nullable: false },
    { name: 'origin', type: 'string', nullable: false, pattern: '^[A-Z]{3}$' },
    { name: 'destination', type: 'string', nullable: true },
    { name: 'minute', type: 'int32', nullable: false, minimum: 0, maximum: 1439 },
    { name: 'weight', type: 'float64', nullable: true },
    { name: 'count', type: 'int64', nullable: true },
    { name: 'ok', type: 'bool', nullable: true },
    { name: 'kind', type: 'string', nullable: true, enum: ['a', 'b'] },
  ],
  derive: [{ name: 'slot', expression: 'minute / 15', type: 'int64' }],
  expectations: [
    { name: 'expect_column_values_to_be_between', arguments: { column: 'weight', min_value: 0, max_value: 10 } },
    {
      name: 'expect_column_pair_values_a_to_be_not_equal_to_b',
      arguments: { column_A: 'origin', column_B: 'destination' },
    },
    { name: 'expect_column_values_to_not_be_null', arguments: { column: 'ok' } },
    {
      name: 'expect_column_value_lengths_to_be_between',
      arguments: { column: 'destination', min_value: 2, max_value: 4 },
    },
    { name: 'expect_column_values_to_match_regex', arguments: { column: 'destination', regex: '^[A-Z]+$' } },
    { name: 'expect_column_values_to_be_in_set', arguments: { column: 'minute', value_set: [1, 2, 30] } },
  ],
  compatibility: 'BACKWARD',
  dataClasses: {},
};
const check = compileEventCheck(spec);
const good = {
  at: '2001-06-10T08:15:00.5Z',
  origin: 'DEN',
  destination: 'ORD',
  minute: 30,
  weight: 1.5,
  count: 9,
  ok: true,
  kind: 'a',
};
const of = (change: object) => check(Buffer.from(JSON.stringify({ ...good, ...change })));
const codes = (checked: ReturnType<typeof check>) =>
  'reasons' in checked ? checked.reasons.map(({ code, column }) => `${code} ${column}`.trim()) : 'valid';

describe('an event that keeps its contract', () => {
  it('becomes a row: every column in order, timestamps as epoch milliseconds, derived columns last', () => {
    const checked = of({});
    expect(checked).toEqual({
      row: { ...good, at: Date.UTC(2001, 5, 10, 8, 15, 0, 500), slot: 2 },
      eventTimeMs: Date.UTC(2001, 5, 10, 8, 15, 0, 500),
    });
    expect(Object.keys((checked as { row: object }).row)).toEqual([
      'at',
      'origin',
      'destination',
      'minute',
      'weight',
      'count',
      'ok',
      'kind',
      'slot',
    ]);
  });

  it.each([
    ['epoch milliseconds', { at: 1_000 }],
    ['an offset', { at: '2001-06-10T08:15:00+02:00' }],
    ['a null where null may be', { weight: null }],
    ['an absent column where it may be', { count: undefined }],
    ['bounds of the range', { minute: 30, weight: 0 }],
  ])('%s is right', (_, change) => expect(codes(of(change))).toBe('valid'));
});

describe('an event that does not', () => {
  it.each([
    [{ at: '2001-06-10' }, ['type-mismatch at']],
    [{ at: 'noon' }, ['type-mismatch at']],
    [{ origin: 'den' }, ['pattern-mismatch origin']],
    [{ origin: 7 }, ['type-mismatch origin']],
    [{ origin: null }, ['missing-column origin']],
    [{ minute: 1440 }, ['out-of-range minute']],
    [{ minute: -1 }, ['out-of-range minute']],
    [{ minute: 1.5 }, ['type-mismatch minute']],
    [{ minute: 2 ** 31 }, ['type-mismatch minute']],
    [{ count: 2 ** 60 }, ['type-mismatch count']],
    [{ ok: 'true' }, ['type-mismatch ok']],
    [{ kind: 'c' }, ['not-in-set kind']],
    [{ extra: 1 }, ['unknown-column extra']],
    [{ weight: 11 }, ['expect_column_values_to_be_between weight']],
    [{ destination: 'DEN' }, ['expect_column_pair_values_a_to_be_not_equal_to_b origin']],
    [{ ok: null }, ['expect_column_values_to_not_be_null ok']],
    [{ destination: 'CHICAGO' }, ['expect_column_value_lengths_to_be_between destination']],
    [{ destination: 'or' }, ['expect_column_values_to_match_regex destination']],
    [{ minute: 31 }, ['expect_column_values_to_be_in_set minute']],
  ])('%j gets %j', (change, reasons) => expect(codes(of(change))).toEqual(reasons));

  it('gets every reason at once', () => {
    expect(codes(of({ origin: 'x', minute: 'y', extra: 1 }))).toEqual([
      'pattern-mismatch origin',
      'type-mismatch minute',
      'unknown-column extra',
    ]);
    expect(codes(of({ weight: -1, ok: null }))).toEqual([
      'expect_column_values_to_be_between weight',
      'expect_column_values_to_not_be_null ok',
    ]);
  });

  it('is told the value and what would be right', () => {
    expect(of({ weight: 11 })).toMatchObject({ reasons: [{ message: 'weight is 11, 0 to 10 is right' }] });
  });

  it.each([['{'], ['[1]'], ['null'], ['7'], ['']])('is no JSON object: %j', (text) =>
    expect(codes(check(Buffer.from(text)))).toEqual(['invalid-json']),
  );
  it('is nothing at all', () => expect(codes(check(null))).toEqual(['invalid-json']));
});
