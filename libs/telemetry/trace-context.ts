import { createTraceState, type SpanContext, TraceFlags } from '@opentelemetry/api';

/** Where in a trace something stands: W3C Trace Context (https://www.w3.org/TR/trace-context/). */
export type TraceContext = SpanContext;

/** The names of gRPC metadata, HTTP headers, Kafka record headers and CloudEvents attributes alike. */
export const traceparentName = 'traceparent';
export const tracestateName = 'tracestate';

/** Of version 00; a later version may append to it, and no more than this is looked at. */
const maxTraceparentLength = 256;
const maxTracestateLength = 512;
const format = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:$|-)/;
const printable = /^[\x20-\x7e\t]*$/;
const invalidTrace = '0'.repeat(32);
const invalidSpan = '0'.repeat(16);

/** What a caller said of its trace; undefined = nothing, or nothing that W3C would accept. A tracestate that is too long or has other characters is left out. */
export function parseTraceContext(traceparent: unknown, tracestate?: unknown): TraceContext | undefined {
  if (typeof traceparent !== 'string' || traceparent.length > maxTraceparentLength) return undefined;
  const [, version, traceId, spanId, flags] = format.exec(traceparent) ?? [];
  if (version === undefined || traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  if (version === 'ff' || (version === '00' && traceparent.length !== 55)) return undefined;
  if (traceId === invalidTrace || spanId === invalidSpan) return undefined;
  const context = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & TraceFlags.SAMPLED, isRemote: true };
  return isTracestate(tracestate) ? { ...context, traceState: createTraceState(tracestate) } : context;
}

export function formatTraceparent({ traceId, spanId, traceFlags }: TraceContext): string {
  return `00-${traceId}-${spanId}-${isSampledFlag(traceFlags) ? '01' : '00'}`;
}

export function isSampled(context: TraceContext | undefined): context is TraceContext {
  return context !== undefined && isSampledFlag(context.traceFlags);
}

/** As headers of a record or a request. */
export function traceHeaders(context: TraceContext): Record<string, string> {
  const state = context.traceState?.serialize() ?? '';
  const traceparent = formatTraceparent(context);
  return state === ''
    ? { [traceparentName]: traceparent }
    : { [traceparentName]: traceparent, [tracestateName]: state };
}

/** What headers say of a trace; undefined = nothing, or nothing valid. */
export function traceOf(headers: Readonly<Record<string, unknown>>): TraceContext | undefined {
  const traceparent = headers[traceparentName];
  return traceparent === undefined ? undefined : parseTraceContext(traceparent, headers[tracestateName]);
}

function isSampledFlag(flags: number): boolean {
  return (flags & TraceFlags.SAMPLED) !== 0;
}

function isTracestate(text: unknown): text is string {
  return typeof text === 'string' && text !== '' && text.length <= maxTracestateLength && printable.test(text);
}
