import { describe, expect, it } from '@jest/globals';
import { type InputRow, beginning } from './input-row.js';
import { type Chunk, prepareChunks } from './prepare-chunks.js';
import type { RunColumns } from './run-columns.js';

const columns: RunColumns = {
  sent: [{ name: 'minute', datatype: 'INT32', optional: false }],
  vectors: false,
  kept: ['id', 'minute'],
};

/** Every seventh cannot be read, every fifth has no minute. */
async function* rowsFrom(after: number, count: number, bytes = 10): AsyncGenerator<InputRow> {
  for (let row = after + 1; row <= count; row++) {
    const end = { offset: row * bytes, row, line: row };
    if (row % 7 === 0) yield { end, columns: undefined, problem: 'no JSON' };
    else yield { end, columns: row % 5 === 0 ? { id: `r${row}` } : { id: `r${row}`, minute: row } };
  }
}

async function chunksOf(rows: AsyncIterable<InputRow>, start = { place: beginning, chunk: 0 }, bytes = 1e6) {
  const chunks: Chunk[] = [];
  for await (const chunk of prepareChunks(rows, columns, { rows: 10, bytes }, start, undefined)) chunks.push(chunk);
  return chunks;
}

describe('chunks', () => {
  it('are the same again from the end of any of them', async () => {
    const whole = await chunksOf(rowsFrom(0, 95));
    expect(whole.map(({ end }) => end.row)).toEqual([10, 20, 30, 40, 50, 60, 70, 80, 90, 95]);
    for (const { number, end } of whole)
      expect(await chunksOf(rowsFrom(end.row, 95), { place: end, chunk: number + 1 })).toEqual(whole.slice(number + 1));
  });

  it('have every row once: prepared, or rejected with what would be right', async () => {
    const [first] = await chunksOf(rowsFrom(0, 10));
    expect(first!.rows.map(({ row, cells, kept }) => [row, cells, kept])).toEqual(
      [1, 2, 3, 4, 6, 8, 9].map((row) => [row, [row], [`r${row}`, row]]),
    );
    expect(first!.rejections).toEqual([
      { row: 5, line: 5, reason: expect.stringMatching(/^column "minute": missing; it takes a whole number/) },
      { row: 7, line: 7, reason: 'no JSON' },
      { row: 10, line: 10, reason: expect.stringMatching(/^column "minute": missing/) },
    ]);
  });

  it('are cut where they hold too many bytes', async () => {
    expect((await chunksOf(rowsFrom(0, 9), undefined, 30)).map(({ end }) => end.row)).toEqual([3, 6, 9]);
  });

  it('refuse to keep a number that JSON has changed', async () => {
    async function* rows(): AsyncGenerator<InputRow> {
      yield { end: { offset: 1, row: 1, line: 1 }, columns: { id: 2 ** 60, minute: 1 } };
      yield { end: { offset: 2, row: 2, line: 2 }, columns: { id: 1e300, minute: 1 } };
    }
    const [chunk] = await chunksOf(rows());
    expect(chunk!.rejections).toEqual([
      { row: 1, line: 1, reason: expect.stringMatching(/^column "id": a whole number beyond 2\^53/) },
    ]);
    expect(chunk!.rows.map(({ kept }) => kept)).toEqual([[1e300, 1]]);
  });
});
