import { createReadStream } from 'node:fs';
import { parse } from 'csv-parse';
import { errorMessage, MillraceError } from '#libs/errors/millrace-error.js';
import { beginning, type InputRow, maxRowBytes, type Place } from '../domain/batch/input-row.js';

interface Parsed {
  readonly record: string[];
  readonly info: { readonly bytes: number; readonly lines: number };
}

export interface CsvHeader {
  readonly names: readonly string[];
  /** Where the rows begin. */
  readonly end: Place;
}

/** @throws MillraceError invalid-argument where the file has no header line */
export async function readCsvHeader(path: string): Promise<CsvHeader> {
  for await (const { record, info } of records(path, beginning))
    return { names: record, end: { offset: info.bytes, row: 0, line: info.lines } };
  throw new MillraceError('invalid-argument', `${path}: is empty; a CSV file begins with the names of its columns`);
}

/** Rows as text, by RFC 4180. One with more or fewer cells than the header is a row with a problem. @throws MillraceError where a quote is never closed */
export async function* readCsv(path: string, header: CsvHeader, start: Place): AsyncGenerator<InputRow> {
  const { names } = header;
  const from = start.offset === 0 ? header.end : start;
  let { row } = from;
  for await (const { record, info } of records(path, from)) {
    row += 1;
    const end = { offset: from.offset + info.bytes, row, line: from.line + info.lines };
    const problem = problemOf(record, names);
    if (problem !== undefined) yield { end, columns: undefined, problem };
    else yield { end, columns: Object.fromEntries(names.map((name, i) => [name, record[i]])) };
  }
}

function problemOf(record: readonly string[], names: readonly string[]): string | undefined {
  if (record.length !== names.length) return `${record.length} cells, and the header has ${names.length}`;
  const broken = record.findIndex((cell) => cell.includes('\ufffd'));
  return broken < 0 ? undefined : `column "${names[broken]}": not UTF-8`;
}

async function* records(path: string, from: Place): AsyncGenerator<Parsed> {
  const parser = parse({
    bom: from.offset === 0,
    info: true,
    relax_column_count: true,
    relax_quotes: true,
    skip_empty_lines: true,
    max_record_size: maxRowBytes,
  });
  const file = createReadStream(path, { start: from.offset });
  file.on('error', (error) => parser.destroy(error));
  try {
    yield* file.pipe(parser) as AsyncIterable<Parsed>;
  } catch (error) {
    if (error instanceof MillraceError) throw error;
    const line = from.line + parser.info.lines;
    throw new MillraceError('invalid-argument', `${path}: near line ${line}: ${errorMessage(error)}`, { cause: error });
  } finally {
    file.destroy();
    parser.destroy();
  }
}
