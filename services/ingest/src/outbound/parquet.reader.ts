import type { SourceSpec } from '#libs/definitions/definition-kinds.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import { parquetRows } from '#libs/storage/parquet-rows.js';
import { type Place, problem, type SourceRow } from '../domain/source-rows.js';

const rowsAtOnce = 20_000;

/** Rows of a Parquet file, with any of its usual compressions. Timestamps become RFC 3339, integers numbers. */
export async function* readParquet(path: string, source: SourceSpec, start: Place): AsyncGenerator<SourceRow> {
  let { row } = start;
  try {
    for await (const columns of parquetRows(path, row, rowsAtOnce)) {
      row += 1;
      yield toRow(row, columns);
    }
  } catch (error) {
    throw problem(source, row + 1, errorMessage(error), error);
  }
}

function toRow(row: number, read: Record<string, unknown>): SourceRow {
  const columns = Object.fromEntries(Object.entries(read).map(([name, value]) => [name, asNumber(value)]));
  return { row, byte: 0, columns, data: Buffer.from(JSON.stringify(columns, (_, value: unknown) => asNumber(value))) };
}

/** A 64-bit integer beyond 2^53 loses digits here; the validator refuses it in any case. */
function asNumber(value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value;
}
