import { describe, expect, it } from '@jest/globals';
import {
  decodeValidEvent,
  decodeWatermark,
  encodeWatermark,
  headerNames,
  isWatermark,
} from '#libs/contracts/event-record.js';
import type { StreamSpec } from '#libs/definitions/definition-kinds.js';
import type { LogRecord } from '#libs/messaging/message-log.js';
import { AcceptedIds } from './accepted-ids.js';
import { compileEventCheck } from './event-check.js';
import { PartitionValidator } from './partition-validator.js';

const spec: StreamSpec = {
  name: 's',
  eventTime: 'at',
  latenessMs: 100,
  schema: [
    { name: 'at', type: 'timestamp', nullable: false },
    { name: 'x', type: 'int32', nullable: false },
  ],
  derive: [],
  expectations: [],
  compatibility: 'BACKWARD',
  dataClasses: {},
};
const stream = { check: compileEventCheck(spec), latenessMs: spec.latenessMs };

function event(offset: number, id: string, data: object): LogRecord {
  return {
    partition: 2,
    offset,
    key: Buffer.from('k'),
    value: Buffer.from(JSON.stringify(data)),
    headers: id === '' ? {} : { [headerNames.id]: id, [headerNames.source]: '/s' },
    timestampMs: 1,
  };
}
function watermark(offset: number, ms: number): LogRecord {
  const { value, headers } = encodeWatermark(ms, 2);
  return { partition: 2, offset, key: null, value, headers, timestampMs: 1 };
}

const log: LogRecord[] = [
  event(0, 'a', { at: 1_000, x: 1 }),
  event(1, 'a', { at: 1_000, x: 1 }), // sent again
  event(2, 'b', { at: 1_001, x: 'bad' }),
  watermark(3, 5_000),
  event(4, 'b', { at: 4_950, x: 2 }), // after repair, and not yet late
  event(5, 'c', { at: 4_899, x: 3 }), // later than the lateness
  watermark(6, 4_000), // never goes back
  event(7, '', { at: 6_000, x: 4 }),
  event(8, '', { at: 6_000, x: 4 }), // without an id nothing is a duplicate
];

/** What a run over the log publishes, as text. */
function run(validator: PartitionValidator, records: readonly LogRecord[]): string[] {
  const { valid, quarantined } = validator.decide(stream, records);
  validator.published(records);
  const shown = valid.map((record) => {
    const received = { ...record, partition: record.partition! };
    if (isWatermark(received))
      return `${decodeWatermark(received).sourceOffset} watermark ${decodeWatermark(received).watermarkMs}`;
    const { sourceOffset, row, late } = decodeValidEvent(received);
    return `${sourceOffset} x=${String(row['x'])}${late ? ' late' : ''}`;
  });
  return [...shown, ...quarantined.map(({ record, reasons }) => `${record.offset} ${reasons[0]!.code}`)];
}

const all = [
  '0 x=1',
  '3 watermark 5000',
  '4 x=2',
  '5 x=3 late',
  '6 watermark 5000',
  '7 x=4',
  '8 x=4',
  '2 type-mismatch',
];

describe('a partition', () => {
  it('has its events decided in order: valid, late, quarantined, or there before', () => {
    const validator = new PartitionValidator('');
    expect(run(validator, log)).toEqual(all);
    expect(validator.carried()).toBe('8,5000');
  });

  it.each(log.map((_, i) => i))('is decided the same when it was taken up anew after offset %i', (processed) => {
    const first = new PartitionValidator('');
    const before = run(first, log.slice(0, processed + 1));
    const second = new PartitionValidator(first.carried());
    const after = run(second, log); // read again from far back: what was published is not published again
    expect([...before, ...after].toSorted()).toEqual(all.toSorted());
    expect(second.carried()).toBe('8,5000');
  });

  it('knows when it is not its own continuation', () => {
    const validator = new PartitionValidator('');
    expect(validator.continues(log)).toBe(false);
    run(validator, log.slice(0, 5));
    expect(validator.continues(log.slice(5))).toBe(true);
    expect(validator.continues(log.slice(3))).toBe(false);
  });
});

it('only the newest ids are remembered', () => {
  const ids = new AcceptedIds(2);
  for (const id of ['a', 'b', 'c']) ids.add(id);
  expect(['a', 'b', 'c'].map((id) => ids.has(id))).toEqual([false, true, true]);
});

it('a valid event stays in the trace that it came in with; a malformed one is left behind', () => {
  const traced = (offset: number, traceparent: string): LogRecord => {
    const record = event(offset, `t${offset}`, { at: 1_000, x: 1 });
    return { ...record, headers: { ...record.headers, traceparent, tracestate: 'rojo=1', other: 'x' } };
  };
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
  const { valid } = new PartitionValidator('').decide(stream, [
    traced(0, traceparent),
    traced(1, `${traceparent}junk`),
  ]);
  expect(valid[0]!.headers).toMatchObject({ traceparent, tracestate: 'rojo=1' });
  expect(valid[0]!.headers).not.toHaveProperty('other');
  expect(valid[1]!.headers).not.toHaveProperty('traceparent');
  expect(valid[1]!.headers).not.toHaveProperty('tracestate');
});
