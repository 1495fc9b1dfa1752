import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { beginning, type InputRow, type Place } from '../domain/batch/input-row.js';
import { readParquet, readParquetHead } from './read-parquet.js';

/** More than are read at once, and no whole number of groups. */
const count = 12_000;
let folder: string;
let path: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-parquet-'));
  path = join(folder, 'rows.parquet');
  const of = <T>(value: (row: number) => T): T[] => Array.from({ length: count }, (_, i) => value(i + 1));
  const columnData = [
    { name: 'id', data: of((row) => `r${row}`) },
    { name: 'n', data: of((row) => BigInt(row)) },
    { name: 'far', data: of((row) => 2n ** 60n + BigInt(row)) },
    { name: 'share', data: of((row) => (row % 3 === 0 ? null : row / 4)) },
    { name: 'at', data: of((row) => new Date(row * 1_000)) },
  ];
  writeFileSync(path, Buffer.from(parquetWriteBuffer({ columnData, rowGroupSize: 3_500 })));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function read(start: Place): Promise<InputRow[]> {
  const rows: InputRow[] = [];
  for await (const row of readParquet(path, start)) rows.push(row);
  return rows;
}

it('Parquet gives rows as JSON has them, and the same from any row on', async () => {
  expect(await readParquetHead(path)).toEqual({ names: ['id', 'n', 'far', 'share', 'at'], rows: count });
  const whole = await read(beginning);
  expect(whole.map(({ end }) => end.row)).toEqual(Array.from({ length: count }, (_, i) => i + 1));
  expect([whole[2]!.columns, whole[11_999]!.columns]).toEqual([
    { id: 'r3', n: 3, far: String(2n ** 60n + 3n), share: null, at: '1970-01-01T00:00:03.000Z' },
    { id: 'r12000', n: 12_000, far: String(2n ** 60n + 12_000n), share: null, at: '1970-01-01T03:20:00.000Z' },
  ]);
  for (const row of [0, 3_499, 3_500, 10_000, 11_999])
    expect((await read(whole[row]!.end)).map(({ columns }) => columns?.['id'])).toEqual(
      whole.slice(row + 1).map(({ columns }) => columns?.['id']),
    );
});

it('what is no Parquet is refused by its name', async () => {
  const other = join(folder, 'other.parquet');
  writeFileSync(other, 'a,b\n1,2\n');
  await expect(readParquetHead(other)).rejects.toThrow(/other\.parquet: cannot be read as Parquet: /);
});
