import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { beginning, type InputRow, maxRowBytes, type Place } from './input-row.js';
import { readJsonLines } from './json-lines.js';

async function* inPieces(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes.length === 0 ? bytes.length : sizes[i % sizes.length]!;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

async function read(bytes: Buffer, start: Place = beginning, sizes: readonly number[] = []): Promise<InputRow[]> {
  const rows: InputRow[] = [];
  for await (const row of readJsonLines(inPieces(bytes.subarray(start.offset), sizes), start)) rows.push(row);
  return rows;
}

describe('JSON lines', () => {
  it('are the same rows however the bytes come, and from every row on', async () => {
    const line = fc.oneof(
      fc.record({ id: fc.string({ unit: 'grapheme' }), n: fc.integer() }).map((row) => JSON.stringify(row)),
      fc.constantFrom('', '   ', '{"id": ', '[1]', '17'),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }),
        fc.constantFrom('\n', '\r\n'),
        fc.boolean(),
        async (lines, sizes, ending, ended) => {
          const bytes = Buffer.from(lines.join(ending) + (ended ? ending : ''));
          const whole = await read(bytes);
          expect(await read(bytes, beginning, sizes)).toEqual(whole);
          const given = lines.filter((text) => text.trim() !== '');
          expect(whole.map(({ columns }) => columns ?? 'bad')).toEqual(
            given.map((text) => (text.endsWith('}') ? JSON.parse(text) : 'bad')),
          );
          for (const [i, { end }] of whole.entries()) expect(await read(bytes, end, sizes)).toEqual(whole.slice(i + 1));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('say which line is none, and why, and go on', async () => {
    const rows = await read(Buffer.from('\ufeff{"a":1}\n\n{"a":\n[2]\n{"a":3}'));
    expect(rows.map(({ end, columns, problem }) => [end.row, end.line, columns ?? problem])).toEqual([
      [1, 1, { a: 1 }],
      [2, 3, expect.stringMatching(/^no JSON: /)],
      [3, 4, 'no JSON object, such as {"column": "value"}: [2]'],
      [4, 5, { a: 3 }],
    ]);
  });

  it('that are too long or not UTF-8 are rows with a problem', async () => {
    const long = Buffer.from(`{"a":"${'x'.repeat(maxRowBytes)}"}`);
    const rows = await read(Buffer.concat([long, Buffer.from('\n{"a":"\xff"}\n', 'latin1'), Buffer.from('{"a":1}')]));
    expect(rows.map(({ columns, problem }) => columns ?? problem)).toEqual([
      'longer than 1048576 bytes, the most that a row may have',
      'not UTF-8',
      { a: 1 },
    ]);
  });
});
