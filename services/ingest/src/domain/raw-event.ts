import { type EncodedRecord, headerNames } from '#libs/contracts/event-record.js';
import type { Event } from '#libs/contracts/generated/millrace/ingest/v1/ingest.js';
import type { StreamSpec } from '#libs/definitions/definition-kinds.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { isSampled, parseTraceContext, type TraceContext, traceHeaders } from '#libs/telemetry/trace-context.js';
import { isDeeperThan } from './json-depth.js';

/** An event; one that says nothing of a trace belongs to that of its call. */
export type RawEvent = Omit<Event, 'traceparent' | 'tracestate'> & Partial<Pick<Event, 'traceparent' | 'tracestate'>>;

/** With attributes and key it stays below what a Kafka topic takes by default (message.max.bytes, 1,048,588). */
export const maxEventBytes = 1_000_000;
export const maxBatchEvents = 10_000;
const maxAttributeBytes = 1_024;
const maxDepth = 32;
/** The last instant that RFC 3339 can write, 9999-12-31T23:59:59.999Z. */
const maxTimeMs = 253_402_300_799_999;

/**
 * A CloudEvent as a raw record: attributes as headers, data as the value, keyed by the stream's key column where the data has it, else by the event's id. Whether the data
 * keeps the stream's schema is for the validator to say; what enters here is only bounded.
 * @param trace of the call that brought it, undefined = it is not traced
 * @throws MillraceError invalid-argument or payload-too-large, naming the field
 */
export function toRawRecord(stream: StreamSpec, event: RawEvent, trace?: TraceContext): EncodedRecord {
  checkBounds(event);
  return encode(event, keyOf(stream, event.data), trace);
}

/**
 * The same for data that has been read already. @param key what keyText made of the key column's value
 * @throws MillraceError as toRawRecord
 */
export function toRawRecordWithKey(event: RawEvent, key: string | undefined, trace?: TraceContext): EncodedRecord {
  checkBounds(event);
  return encode(event, key, trace);
}

/** What a key column's value is as a Kafka key; undefined = it cannot be one. */
export function keyText(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}

function checkBounds(event: RawEvent): void {
  const { id, source, type, data, timeMs } = event;
  for (const [name, value] of [
    ['id', id],
    ['source', source],
    ['type', type],
  ] as const)
    checkText(name, value);
  if (!Number.isInteger(timeMs) || timeMs < 0 || timeMs > maxTimeMs)
    throw new MillraceError('invalid-argument', `time: ${timeMs}; epoch milliseconds up to ${maxTimeMs}, or 0`);
  if (data.length > maxEventBytes)
    throw new MillraceError('payload-too-large', `data: ${data.length} bytes, at most ${maxEventBytes} are taken`);
  if (isDeeperThan(maxDepth, data))
    throw new MillraceError('invalid-argument', `data: nested deeper than ${maxDepth} levels`);
}

function checkText(name: string, value: string): void {
  if (value === '')
    throw new MillraceError('invalid-argument', `${name}: empty; an event is known by its id within its source`);
  const bytes = Buffer.byteLength(value);
  if (bytes > maxAttributeBytes)
    throw new MillraceError('invalid-argument', `${name}: ${bytes} bytes, at most ${maxAttributeBytes} are taken`);
}

function encode(event: RawEvent, key: string | undefined, trace: TraceContext | undefined): EncodedRecord {
  const headers: Record<string, string> = {
    [headerNames.specVersion]: '1.0',
    [headerNames.id]: event.id,
    [headerNames.source]: event.source,
    [headerNames.type]: event.type,
    [headerNames.contentType]: 'application/json',
  };
  if (event.timeMs > 0) headers[headerNames.time] = new Date(event.timeMs).toISOString();
  // Its own trace goes on whether anybody records it here or not; that of the call only where it is recorded: most records are spared the header.
  const own = parseTraceContext(event.traceparent, event.tracestate);
  const context = own ?? (isSampled(trace) ? trace : undefined);
  if (context !== undefined) Object.assign(headers, traceHeaders(context));
  const bytes = Buffer.from(key ?? event.id);
  if (bytes.length > maxAttributeBytes)
    throw new MillraceError(
      'invalid-argument',
      `data: its key column has ${bytes.length} bytes, at most ${maxAttributeBytes} are taken`,
    );
  return { key: bytes, value: event.data, headers };
}

function keyOf(stream: StreamSpec, data: Buffer): string | undefined {
  if (stream.key === undefined) return undefined;
  try {
    return keyText((JSON.parse(data.toString()) as Record<string, unknown> | null)?.[stream.key]);
  } catch {
    return undefined; // not JSON: the validator will quarantine it with its bytes
  }
}
