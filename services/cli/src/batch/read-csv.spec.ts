import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { beginning, type InputRow, type Place } from '../domain/batch/input-row.js';
import { readCsv, readCsvHeader } from './read-csv.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-csv-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function read(text: string | Buffer, start: Place = beginning): Promise<InputRow[]> {
  const path = join(folder, 'rows.csv');
  writeFileSync(path, text);
  const header = await readCsvHeader(path);
  const rows: InputRow[] = [];
  for await (const row of readCsv(path, header, start)) rows.push(row);
  return rows;
}

describe('CSV', () => {
  it('is the same rows from every row on, whatever is quoted', async () => {
    const cell = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 6 }),
      fc.constantFrom('a\nb', 'a\r\nb', '"', ',', 'é'),
    );
    const rows = fc.array(fc.tuple(cell, cell), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(rows, fc.constantFrom('\n', '\r\n'), fc.boolean(), async (given, ending, ended) => {
        const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
        const lines = ['a,b', ...given.map((row) => row.map(quoted).join(','))];
        const text = lines.join(ending) + (ended ? ending : '');
        const whole = await read(text);
        expect(whole.map(({ columns }) => columns)).toEqual(given.map(([a, b]) => ({ a, b })));
        for (const [i, { end }] of whole.entries()) expect(await read(text, end)).toEqual(whole.slice(i + 1));
      }),
      { numRuns: 40 },
    );
  });

  it('says which line is not right, and why, and goes on', async () => {
    const rows = await read(Buffer.from('\ufeffa,b\n1,2\n\n3\n4,5,6\n7,\ufffd\n8,x"y\n'));
    expect(rows.map(({ end, columns, problem }) => [end.row, end.line, columns ?? problem])).toEqual([
      [1, 2, { a: '1', b: '2' }],
      [2, 4, '1 cells, and the header has 2'],
      [3, 5, '3 cells, and the header has 2'],
      [4, 6, 'column "b": not UTF-8'],
      [5, 7, { a: '8', b: 'x"y' }],
    ]);
  });

  it('without an end to a quote, or without a header, is refused with the file and the line', async () => {
    await expect(read('a,b\n1,2\n"3,4\n5,6\n')).rejects.toThrow(/rows\.csv: near line \d+: Quote Not Closed/);
    await expect(read('')).rejects.toThrow('is empty; a CSV file begins with the names of its columns');
  });
});
