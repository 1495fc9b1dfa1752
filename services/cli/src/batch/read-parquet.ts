import { asyncBufferFromFile, parquetMetadataAsync, parquetSchema } from 'hyparquet';
import { errorMessage, MillraceError } from '#libs/errors/millrace-error.js';
import { parquetRows } from '#libs/storage/parquet-rows.js';
import type { InputRow, Place } from '../domain/batch/input-row.js';

const rowsAtOnce = 10_000;

/** Names of the top columns, and how many rows there are. @throws MillraceError invalid-argument where it is no Parquet file */
export async function readParquetHead(path: string): Promise<{ names: string[]; rows: number }> {
  try {
    const metadata = await parquetMetadataAsync(await asyncBufferFromFile(path));
    return {
      names: parquetSchema(metadata).children.map(({ element }) => element.name),
      rows: Number(metadata.num_rows),
    };
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** Rows of a Parquet file, some thousands of them in memory. Instants are RFC 3339, whole numbers beyond 2^53 text. */
export async function* readParquet(path: string, start: Place): AsyncGenerator<InputRow> {
  let row = start.offset;
  try {
    for await (const columns of parquetRows(path, row, rowsAtOnce)) {
      row += 1;
      yield { end: { offset: row, row, line: 0 }, columns: plain(columns) };
    }
  } catch (error) {
    throw unreadable(path, error);
  }
}

function plain(columns: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(columns).map(([name, value]) => [name, plainValue(value)]));
}

/** As JSON has it. */
function plainValue(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return Array.from(value as ArrayLike<unknown>, plainValue);
  return value;
}

function unreadable(path: string, error: unknown): MillraceError {
  return new MillraceError('invalid-argument', `${path}: cannot be read as Parquet: ${errorMessage(error)}`, {
    cause: error,
  });
}
