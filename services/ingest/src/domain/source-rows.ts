import type { SourceSpec, StreamSpec } from '#libs/definitions/definition-kinds.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { keyText } from './raw-event.js';

/** A row as its file has it. */
export interface SourceRow {
  /** Where it stands, from 1. */
  readonly row: number;
  /** Where it begins; 0 where a reader cannot begin in the middle. */
  readonly byte: number;
  readonly columns: Readonly<Record<string, unknown>>;
  /** UTF-8 JSON. */
  readonly data: Buffer;
}

/** A place in a file: no row from here on is earlier than the instant, every row before is. */
export interface Place {
  readonly eventTimeMs: number;
  readonly byte: number;
  /** Rows before it. */
  readonly row: number;
}

export const beginning: Place = { eventTimeMs: Number.NEGATIVE_INFINITY, byte: 0, row: 0 };

/** A row as an event of its stream. */
export interface SourceEvent {
  readonly source: string;
  readonly stream: string;
  readonly row: number;
  readonly eventTimeMs: number;
  readonly key: string | undefined;
  readonly data: Buffer;
}

export interface Slice {
  readonly source: SourceSpec;
  readonly stream: StreamSpec;
  /** Where `rows` begin. */
  readonly start: Place;
  /** Event time, epoch ms: inclusive, exclusive. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Gets the place of the first row at or after `toMs`, if there is one. */
  readonly remember: (place: Place) => void;
}

/**
 * The rows of a slice as events, read no further than its end.
 * @throws MillraceError failed-precondition naming source and row: no event time, or one before that of the row above
 */
export async function* sliceOf(rows: AsyncIterable<SourceRow>, slice: Slice): AsyncGenerator<SourceEvent> {
  const { source, stream, fromMs, toMs } = slice;
  let lastMs = slice.start.eventTimeMs;
  for await (const { row, byte, columns, data } of rows) {
    const eventTimeMs = timeOf(source, stream, row, columns[stream.eventTime]);
    if (eventTimeMs < lastMs)
      throw problem(
        source,
        row,
        `${stream.eventTime} ${new Date(eventTimeMs).toISOString()} is before that of a row above; sort the file by event time`,
      );
    lastMs = eventTimeMs;
    if (eventTimeMs >= toMs) {
      slice.remember({ eventTimeMs: toMs, byte, row: row - 1 });
      return;
    }
    const key = stream.key === undefined ? undefined : keyText(columns[stream.key]);
    if (eventTimeMs >= fromMs) yield { source: source.name, stream: source.stream, row, eventTimeMs, key, data };
  }
}

/** A fault of a source's file, with its place. */
export function problem(source: SourceSpec, row: number, what: string, cause?: unknown): MillraceError {
  return new MillraceError('failed-precondition', `source ${source.name}, row ${row}: ${what}`, { cause });
}

export const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/i;

function timeOf(source: SourceSpec, { eventTime }: StreamSpec, row: number, value: unknown): number {
  const ms =
    value instanceof Date
      ? value.getTime()
      : typeof value === 'string' && rfc3339.test(value)
        ? Date.parse(value)
        : typeof value === 'number'
          ? value
          : Number.NaN;
  if (Number.isInteger(ms) && Math.abs(ms) < 8.64e15) return ms;
  throw problem(
    source,
    row,
    `${eventTime} is ${JSON.stringify(value) ?? 'missing'}, neither RFC 3339 (2001-06-10T08:15:00Z) nor epoch milliseconds`,
  );
}
