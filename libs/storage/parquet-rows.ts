import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';

/**
 * Rows of a Parquet file, with any of its usual compressions, as hyparquet reads them: 64-bit integers are bigint, timestamps Date. A file without rows gives none.
 * @param start the number of the first row, from 0 @param atOnce rows that are in memory at a time
 * @throws Error where the file is not there, or is no Parquet
 */
export async function* parquetRows(
  path: string,
  start: number,
  atOnce: number,
): AsyncGenerator<Record<string, unknown>> {
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file);
  const total = Number(metadata.num_rows);
  for (let rowStart = start; rowStart < total; rowStart += atOnce) {
    const rowEnd = Math.min(total, rowStart + atOnce);
    yield* await parquetReadObjects({ file, metadata, compressors, rowStart, rowEnd });
  }
}
