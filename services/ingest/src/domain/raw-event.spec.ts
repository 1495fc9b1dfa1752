import { describe, expect, it } from '@jest/globals';
import type { StreamSpec } from '#libs/definitions/definition-kinds.js';
import { parseTraceContext } from '#libs/telemetry/trace-context.js';
import { isDeeperThan } from './json-depth.js';
import { maxEventBytes, toRawRecord } from './raw-event.js';

const stream: StreamSpec = {
  name: 'trips',
  key: 'who',
  eventTime: 'at',
  latenessMs: 0,
  schema: [],
  derive: [],
  expectations: [],
  compatibility: 'BACKWARD',
  dataClasses: {},
};
const event = { id: 'e1', source: 'app', type: 'trip', timeMs: 992_160_900_000, data: Buffer.from('{"who":"ann"}') };

describe('a raw record', () => {
  it('has the attributes as headers, the data as it is, and the key column as key', () => {
    const record = toRawRecord(stream, event);
    expect(record.key?.toString()).toBe('ann');
    expect(record.value).toBe(event.data);
    expect(record.headers).toEqual({
      ce_specversion: '1.0',
      ce_id: 'e1',
      ce_source: 'app',
      ce_type: 'trip',
      ce_time: '2001-06-10T08:15:00.000Z',
      'content-type': 'application/json',
    });
  });

  it.each([
    ['{"who":7}', '7'],
    ['{"who":null}', 'e1'],
    ['{"who":{"name":"ann"}}', 'e1'],
    ['{}', 'e1'],
    ['null', 'e1'],
    ['{"who":', 'e1'],
  ])('of data %s has the key %s', (data, key) => {
    expect(toRawRecord(stream, { ...event, data: Buffer.from(data) }).key?.toString()).toBe(key);
  });

  it("is in its own trace, recorded or not, else in that of a call that is recorded; what is malformed is nobody's trace", () => {
    const [own, call] = ['a', 'c'].map((digit) => `00-${digit.repeat(32)}-${'b'.repeat(16)}-01`) as [string, string];
    const headersOf = (traceparent: string, of?: string) =>
      toRawRecord(stream, { ...event, traceparent, tracestate: 'rojo=1' }, parseTraceContext(of)).headers;
    expect(headersOf(own, call)).toMatchObject({ traceparent: own, tracestate: 'rojo=1' });
    const unrecorded = own.replace(/01$/, '00');
    expect(headersOf(unrecorded, call)).toMatchObject({ traceparent: unrecorded });
    expect(headersOf('', call)).toMatchObject({ traceparent: call });
    expect(headersOf('junk', call)).toMatchObject({ traceparent: call });
    expect(headersOf('', call)).not.toHaveProperty('tracestate');
    expect(headersOf('', call.replace(/01$/, '00'))).not.toHaveProperty('traceparent');
    expect(headersOf('x'.repeat(1_000_000))).not.toHaveProperty('traceparent');
  });

  it('has no time where the event has none', () => {
    expect(toRawRecord(stream, { ...event, timeMs: 0 }).headers).not.toHaveProperty('ce_time');
  });

  it.each([
    [{ id: '' }, 'invalid-argument', /^id: empty/],
    [{ source: '' }, 'invalid-argument', /^source: empty/],
    [{ type: 'x'.repeat(1025) }, 'invalid-argument', /^type: 1025 bytes/],
    [{ id: 'é'.repeat(513) }, 'invalid-argument', /^id: 1026 bytes/],
    [{ timeMs: 8.7e15 }, 'invalid-argument', /^time: /],
    [{ timeMs: Number.NaN }, 'invalid-argument', /^time: /],
    [{ data: Buffer.alloc(maxEventBytes + 1, 32) }, 'payload-too-large', /^data: 1000001 bytes/],
    [{ data: Buffer.from('['.repeat(33)) }, 'invalid-argument', /^data: nested deeper than 32/],
    [{ data: Buffer.from(`{"who":"${'x'.repeat(1025)}"}`) }, 'invalid-argument', /^data: its key column has 1025/],
  ])('refuses %p by code and field', (wrong, code, message) => {
    expect(() => toRawRecord(stream, { ...event, ...wrong })).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });
});

describe('the depth of JSON', () => {
  it.each([
    ['', 0],
    ['{}', 1],
    ['{"a":[{"b":1}],"c":[]}', 3],
    ['{"a":"[[[["}', 1],
    ['{"a":"\\"[[["}', 1],
    ['[[]', 2],
  ])('of %s is %i', (text, depth) => {
    const json = Buffer.from(text);
    expect(isDeeperThan(depth, json)).toBe(false);
    if (depth > 0) expect(isDeeperThan(depth - 1, json)).toBe(true);
  });
});
