import { type EncodedRecord, headerNames } from '#libs/contracts/event-record.js';
import type { Event } from '#libs/contracts/generated/millrace/ingest/v1/ingest.js';
import type { StreamSpec } from '#libs/definitions/definition-kinds.js';
import { MillraceError } from '#libs/errors/millrace-error.js';

export const maxEventBytes = 1024 * 1024;
export const maxBatchEvents = 10_000;
const maxAttribute = 1_024;

/**
 * A CloudEvent as a raw record: attributes as headers, data as the value, keyed by the stream's key column where the data has it, else by the event's id. Whether the data
 * keeps the stream's schema is for the validator to say; what enters here is only bounded.
 * @throws MillraceError invalid-argument or payload-too-large, naming the field
 */
export function toRawRecord(stream: StreamSpec, event: Event): EncodedRecord {
  if (event.id === '')
    throw new MillraceError('invalid-argument', 'id: empty; an event is known by its id within its source');
  for (const [name, value] of Object.entries({ id: event.id, source: event.source, type: event.type }))
    if (value.length > maxAttribute)
      throw new MillraceError(
        'invalid-argument',
        `${name}: ${value.length} characters, at most ${maxAttribute} are taken`,
      );
  if (event.data.length > maxEventBytes)
    throw new MillraceError(
      'payload-too-large',
      `data: ${event.data.length} bytes, at most ${maxEventBytes} are taken`,
    );
  return rawRecord(event, keyOf(stream, event.data) ?? event.id);
}

/** The same for data whose key is known. */
export function rawRecord(event: Event, key: string): EncodedRecord {
  const headers: Record<string, string> = {
    [headerNames.specVersion]: '1.0',
    [headerNames.id]: event.id,
    [headerNames.source]: event.source,
    [headerNames.type]: event.type,
    [headerNames.contentType]: 'application/json',
  };
  if (event.timeMs > 0) headers[headerNames.time] = new Date(event.timeMs).toISOString();
  return { key: Buffer.from(key), value: event.data, headers };
}

function keyOf(stream: StreamSpec, data: Buffer): string | undefined {
  if (stream.key === undefined) return undefined;
  try {
    const value = (JSON.parse(data.toString()) as Record<string, unknown> | null)?.[stream.key];
    return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
  } catch {
    return undefined; // not JSON: the validator will quarantine it with its bytes
  }
}
