import { describe, expect, it } from '@jest/globals';
import { formatTraceparent, isSampled, parseTraceContext, traceHeaders, traceOf } from './trace-context.js';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const spanId = '00f067aa0ba902b7';
const traceparent = `00-${traceId}-${spanId}-01`;

describe('a traceparent', () => {
  it('is read and written as W3C says', () => {
    const context = parseTraceContext(traceparent, 'rojo=1,congo=2')!;
    expect(context).toMatchObject({ traceId, spanId, traceFlags: 1, isRemote: true });
    expect(isSampled(context)).toBe(true);
    expect(formatTraceparent(context)).toBe(traceparent);
    expect(traceHeaders(context)).toEqual({ traceparent, tracestate: 'rojo=1,congo=2' });
    expect(traceOf(traceHeaders(context))).toMatchObject({ traceId, spanId });
  });

  it('says whether its trace is sampled by the last bit of its flags alone', () => {
    for (const [flags, sampled] of [
      ['00', false],
      ['01', true],
      ['02', false],
      ['03', true],
    ] as const)
      expect(isSampled(parseTraceContext(`00-${traceId}-${spanId}-${flags}`))).toBe(sampled);
  });

  it('of a later version is read as far as this one knows it', () => {
    expect(parseTraceContext(`01-${traceId}-${spanId}-01-more`)).toMatchObject({ traceId });
    expect(parseTraceContext(`01-${traceId}-${spanId}-01-${'x'.repeat(300)}`)).toBeUndefined();
  });

  it('that is malformed is ignored', () => {
    for (const wrong of [
      undefined,
      null,
      7,
      '',
      'x',
      traceparent.toUpperCase(),
      `${traceparent}-more`,
      `ff-${traceId}-${spanId}-01`,
      `00-${'0'.repeat(32)}-${spanId}-01`,
      `00-${traceId}-${'0'.repeat(16)}-01`,
      `00-${traceId}-${spanId}-0g`,
      ` ${traceparent}`,
      `${traceparent}\n`,
      'a'.repeat(1_000_000),
    ])
      expect(parseTraceContext(wrong)).toBeUndefined();
    expect(traceOf({})).toBeUndefined();
  });
});

it('a tracestate that is too long, or no text that a header may hold, is left out', () => {
  for (const wrong of ['', `a=${'b'.repeat(600)}`, 'a=\u0001', 'a=é', 5])
    expect(parseTraceContext(traceparent, wrong)?.traceState).toBeUndefined();
});
