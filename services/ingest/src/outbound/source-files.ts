import { createReadStream, existsSync } from 'node:fs';
import { isAbsolute, join, normalize } from 'node:path';
import { parse as parseCsv } from 'csv-parse';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import type { SourceSpec, StreamSpec } from '#libs/definitions/definition-kinds.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { TimedEvent } from '../domain/merge-by-time.js';
import { maxEventBytes } from '../domain/raw-event.js';

interface Place {
  readonly eventTimeMs: number;
  readonly byte: number;
  readonly row: number;
}

const maxPlaces = 1_000;
const parquetRows = 20_000;

/** Reads the files of Source definitions. Of JSON Lines it remembers where an instant stands, so that a replay in slices does not read from the beginning each time. */
export class SourceFiles {
  private readonly places = new Map<string, Place[]>();

  constructor(private readonly folder: string) {}

  /**
   * Rows with from <= event time < to, in the order of the file.
   * @throws MillraceError not-found (no such file), permission-denied (outside of SOURCES_DIR), failed-precondition (a row without event time, naming it)
   */
  read(source: SourceSpec, stream: StreamSpec, fromMs: number, toMs: number): AsyncIterable<TimedEvent> {
    const path = this.pathOf(source);
    switch (source.connector) {
      case 'jsonl':
        return this.readJsonLines(path, source, stream, fromMs, toMs);
      case 'csv':
        return readRows(csvRows(path, stream), source, stream, fromMs, toMs);
      case 'parquet':
        return readRows(parquetObjects(path), source, stream, fromMs, toMs);
    }
  }

  private pathOf({ name, path }: SourceSpec): string {
    const inside = normalize(path);
    if (isAbsolute(inside) || inside.startsWith('..'))
      throw new MillraceError('permission-denied', `source ${name}: path ${path} is outside of SOURCES_DIR`);
    const whole = join(this.folder, inside);
    if (!existsSync(whole))
      throw new MillraceError('not-found', `source ${name}: there is no file ${path} in SOURCES_DIR`);
    return whole;
  }

  private async *readJsonLines(
    path: string,
    source: SourceSpec,
    stream: StreamSpec,
    fromMs: number,
    toMs: number,
  ): AsyncGenerator<TimedEvent> {
    const places = this.places.get(source.name) ?? [];
    this.places.set(source.name, places);
    const start = places.findLast((place) => place.eventTimeMs <= fromMs) ?? {
      eventTimeMs: Number.NEGATIVE_INFINITY,
      byte: 0,
      row: 0,
    };
    let { byte, row } = start;
    for await (const line of lines(path, byte, source.name)) {
      row += 1;
      if (line.length > 0) {
        const event = timed(source, stream, row, parseLine(source, row, line), line);
        if (event.eventTimeMs >= toMs) {
          remember(places, { eventTimeMs: toMs, byte, row: row - 1 });
          return;
        }
        if (event.eventTimeMs >= fromMs) yield event;
      }
      byte += line.length + 1;
    }
  }
}

function remember(places: Place[], place: Place): void {
  if (places.some(({ eventTimeMs }) => eventTimeMs === place.eventTimeMs)) return;
  places.push(place);
  places.sort((a, b) => a.eventTimeMs - b.eventTimeMs);
  if (places.length > maxPlaces) places.shift();
}

/** Lines without their end; a line is bounded. */
async function* lines(path: string, fromByte: number, source: string): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of createReadStream(path, {
    start: fromByte,
    highWaterMark: 256 * 1024,
  }) as AsyncIterable<Buffer>) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let from = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
      yield bytes.subarray(from, end);
      from = end + 1;
    }
    rest = bytes.subarray(from);
    if (rest.length > maxEventBytes)
      throw new MillraceError('failed-precondition', `source ${source}: a line has more than ${maxEventBytes} bytes`);
  }
  if (rest.length > 0) yield rest;
}

function parseLine(source: SourceSpec, row: number, line: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line.toString());
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    throw new MillraceError('failed-precondition', `source ${source.name}, row ${row}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  throw new MillraceError('failed-precondition', `source ${source.name}, row ${row}: a line is one JSON object`);
}

async function* readRows(
  rows: AsyncIterable<Record<string, unknown>>,
  source: SourceSpec,
  stream: StreamSpec,
  fromMs: number,
  toMs: number,
): AsyncGenerator<TimedEvent> {
  let row = 0;
  for await (const columns of rows) {
    row += 1;
    const event = timed(source, stream, row, columns, Buffer.from(JSON.stringify(columns)));
    if (event.eventTimeMs >= toMs) return;
    if (event.eventTimeMs >= fromMs) yield event;
  }
}

function timed(
  source: SourceSpec,
  stream: StreamSpec,
  row: number,
  columns: Record<string, unknown>,
  data: Buffer,
): TimedEvent {
  const time = columns[stream.eventTime];
  const eventTimeMs = typeof time === 'number' ? time : Date.parse(String(time));
  if (!Number.isSafeInteger(eventTimeMs))
    throw new MillraceError(
      'failed-precondition',
      `source ${source.name}, row ${row}: ${stream.eventTime} is ${JSON.stringify(time)}, neither RFC 3339 nor epoch milliseconds`,
    );
  const key = stream.key === undefined ? undefined : columns[stream.key];
  return {
    source: source.name,
    stream: source.stream,
    row,
    eventTimeMs,
    key: key === undefined || key === null ? undefined : String(key),
    data,
  };
}

/** Text of the columns as the stream's types say; empty = null. */
async function* csvRows(path: string, stream: StreamSpec): AsyncGenerator<Record<string, unknown>> {
  const types = new Map(stream.schema.map(({ name, type }) => [name, type]));
  const parser = createReadStream(path).pipe(parseCsv({ columns: true, bom: true, max_record_size: maxEventBytes }));
  for await (const record of parser as AsyncIterable<Record<string, string>>)
    yield Object.fromEntries(Object.entries(record).map(([name, text]) => [name, csvValue(types.get(name), text)]));
}

function csvValue(type: string | undefined, text: string): unknown {
  if (text === '') return null;
  if (type === 'bool') return text === 'true' ? true : text === 'false' ? false : text;
  const isNumber =
    type === 'int32' || type === 'int64' || type === 'float64' || (type === 'timestamp' && /^-?\d+$/.test(text));
  return isNumber && Number.isFinite(Number(text)) ? Number(text) : text;
}

async function* parquetObjects(path: string): AsyncGenerator<Record<string, unknown>> {
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file);
  const total = Number(metadata.num_rows);
  for (let rowStart = 0; rowStart < total; rowStart += parquetRows) {
    const rows = await parquetReadObjects({
      file,
      metadata,
      compressors,
      rowStart,
      rowEnd: Math.min(total, rowStart + parquetRows),
    });
    for (const row of rows)
      yield Object.fromEntries(
        Object.entries(row).map(([name, value]) => [name, typeof value === 'bigint' ? Number(value) : value]),
      );
  }
}
