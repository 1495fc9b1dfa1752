import { createReadStream } from 'node:fs';
import { parse } from 'csv-parse';
import type { ColumnType, SourceSpec, StreamSpec } from '#libs/definitions/definition-kinds.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import { maxEventBytes } from '../domain/raw-event.js';
import { problem, type SourceRow } from '../domain/source-rows.js';

/** Rows below a header line, as the stream's types say; an empty cell is null. Text that is no value of its type stays text: the validator says what is wrong with it. */
export async function* readCsv(path: string, source: SourceSpec, stream: StreamSpec): AsyncGenerator<SourceRow> {
  const types = new Map(stream.schema.map(({ name, type }) => [name, type]));
  const parser = parse({ columns: true, bom: true, max_record_size: maxEventBytes });
  const file = createReadStream(path);
  file.on('error', (error) => parser.destroy(error));
  let row = 0;
  try {
    for await (const record of file.pipe(parser) as AsyncIterable<Record<string, string>>) {
      row += 1;
      const cells = Object.entries(record).map(([name, text]) => [name, cellValue(types.get(name), text)] as const);
      const columns = Object.fromEntries(cells);
      yield { row, byte: 0, columns, data: Buffer.from(JSON.stringify(columns)) };
    }
  } catch (error) {
    throw problem(source, row + 1, errorMessage(error), error);
  } finally {
    file.destroy();
  }
}

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const integer = /^-?\d+$/;

/** @returns null for empty text, the text itself where it is not of the type */
export function cellValue(type: ColumnType | undefined, text: string): unknown {
  if (text === '') return null;
  switch (type) {
    case 'bool':
      return text === 'true' ? true : text === 'false' ? false : text;
    case 'int32':
    case 'int64':
    case 'float64':
      return decimal.test(text) && Number.isFinite(Number(text)) ? Number(text) : text;
    case 'timestamp':
      return integer.test(text) ? Number(text) : text;
    default:
      return text;
  }
}
