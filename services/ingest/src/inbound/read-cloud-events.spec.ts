import { describe, expect, it } from '@jest/globals';
import { CloudEvent, HTTP } from 'cloudevents';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { readCloudEvents } from './read-cloud-events.js';

const given = { id: 'e1', source: '/app', type: 'trip', time: '2001-06-10T08:15:00.000Z', data: { who: 'ann' } };
const expected = {
  id: 'e1',
  source: '/app',
  type: 'trip',
  timeMs: 992_160_900_000,
  data: Buffer.from('{"who":"ann"}'),
  traceparent: '',
  tracestate: '',
};
const structured = { 'content-type': 'application/cloudevents+json; charset=UTF-8' };
const batch = { 'content-type': 'application/cloudevents-batch+json' };
const binary = {
  'content-type': 'application/json',
  'ce-id': 'e1',
  'ce-source': '/app',
  'ce-type': 'trip',
  'ce-specversion': '1.0',
};

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

describe('CloudEvents over HTTP', () => {
  it.each(['binary', 'structured'] as const)('knows the trace of an event in %s mode', (mode) => {
    const trace = { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, tracestate: 'rojo=1' };
    const { headers, body } = HTTP[mode](new CloudEvent({ ...given, ...trace }));
    const read = readCloudEvents(headers as Record<string, string>, Buffer.from(body as string));
    expect(read).toEqual([{ ...expected, ...trace }]);
  });

  it.each(['binary', 'structured'] as const)('reads what the SDK sends in %s mode', (mode) => {
    const { headers, body } = HTTP[mode](new CloudEvent(given));
    expect(readCloudEvents(headers as Record<string, string>, Buffer.from(body as string))).toEqual([expected]);
  });

  it('reads a batch, and says of each element that is no event why', () => {
    const read = readCloudEvents(batch, json([{ ...given, specversion: '1.0' }, { id: 'x' }, 7]));
    expect(read[0]).toEqual(expected);
    expect(read.slice(1)).toEqual([expect.any(MillraceError), expect.any(MillraceError)]);
    expect(readCloudEvents(batch, json([]))).toEqual([]);
  });

  it('takes the body of binary mode byte by byte, whatever it is', () => {
    expect(readCloudEvents(binary, Buffer.from('{"a": 1.0'))).toMatchObject([{ data: Buffer.from('{"a": 1.0') }]);
  });

  it('invents neither time nor id', () => {
    expect(readCloudEvents(binary, json({}))).toMatchObject([{ timeMs: 0 }]);
    const { time: _time, ...timeless } = { ...given, specversion: '1.0' };
    expect(readCloudEvents(structured, json(timeless))).toMatchObject([{ timeMs: 0 }]);
    const { id: _id, ...nameless } = { ...given, specversion: '1.0' };
    expect(readCloudEvents(structured, json(nameless))).toMatchObject([
      { code: 'invalid-argument', message: 'id: missing' },
    ]);
  });

  it('reads data_base64', () => {
    const { data: _data, ...rest } = {
      ...given,
      specversion: '1.0',
      data_base64: json({ who: 'ann' }).toString('base64'),
    };
    expect(readCloudEvents(structured, json(rest))).toEqual([expected]);
  });

  it.each([
    [{ ...binary, 'ce-id': undefined }, /^ce-id: missing/],
    [{ ...binary, 'ce-specversion': '0.3' }, /^ce-specversion: "0.3"/],
    [{ ...binary, 'ce-source': undefined }, /source/],
    [{ ...binary, 'ce-time': 'yesterday' }, /time/],
  ])('refuses headers %p', (headers, message) => {
    expect(readCloudEvents(headers as Record<string, string>, json({}))).toMatchObject([
      { code: 'invalid-argument', message: expect.stringMatching(message) },
    ]);
  });

  it.each([
    [{ ...given, specversion: '1.0', type: '' }, /type/],
    [{ ...given, specversion: '1.0', time: 'yesterday' }, /time/],
    [given, /^specversion: missing/],
  ])('refuses the structure %p', (element, message) => {
    expect(readCloudEvents(structured, json(element))).toMatchObject([
      { code: 'invalid-argument', message: expect.stringMatching(message) },
    ]);
  });

  it('refuses a batch that is none, and other media types', () => {
    const code = (read: () => unknown): unknown => {
      try {
        return read();
      } catch (error) {
        return (error as MillraceError).code;
      }
    };
    expect(code(() => readCloudEvents(batch, json({})))).toBe('invalid-argument');
    expect(code(() => readCloudEvents(batch, Buffer.from('[')))).toBe('invalid-argument');
    expect(code(() => readCloudEvents({ ...binary, 'content-type': 'text/csv' }, json({})))).toBe(
      'unsupported-media-type',
    );
    expect(code(() => readCloudEvents({}, json({})))).toBe('unsupported-media-type');
  });
});
