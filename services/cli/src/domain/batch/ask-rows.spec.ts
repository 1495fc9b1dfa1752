import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { type AskTogether, askRows } from './ask-rows.js';
import type { PreparedRow } from './prepare-chunks.js';

const rowsOf = (count: number): PreparedRow[] =>
  Array.from({ length: count }, (_, i) => ({ row: i + 1, line: i + 2, cells: [], vector: undefined, kept: [] }));

/** Refuses every request that has one of these rows, as the gateway does. */
function gateway(bad: ReadonlySet<number>): { ask: AskTogether; answered: number[]; calls: number } {
  const seen = { answered: [] as number[], calls: 0 };
  const ask: AskTogether = async (rows) => {
    seen.calls += 1;
    const refused = rows.find(({ row }) => bad.has(row));
    if (refused !== undefined) throw new MillraceError('invalid-argument', `row ${refused.row} is bad`);
    seen.answered.push(...rows.map(({ row }) => row));
    return rows.map(({ row }) => ({ score: row, predictionId: `p${row}`, version: '1', fallback: false }));
  };
  return Object.assign(seen, { ask });
}

describe('rows asked together', () => {
  it('are all answered once, in order, but those that are refused by themselves, each with its reason', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 64 }),
        fc.uniqueArray(fc.integer({ min: 1, max: 64 })),
        async (count, list) => {
          const bad = new Set(list.filter((row) => row <= count));
          const asked = gateway(bad);
          const { answered, rejected } = await askRows(rowsOf(count), asked.ask, 64);
          const good = rowsOf(count).filter(({ row }) => !bad.has(row));
          expect(answered.map((one) => [one.asked.row, one.answer.score])).toEqual(good.map(({ row }) => [row, row]));
          expect(rejected).toEqual(
            [...bad].sort((a, b) => a - b).map((row) => ({ row, line: row + 1, reason: `row ${row} is bad` })),
          );
          // The gateway logs what it answers: a row is answered in one request alone.
          expect(asked.answered).toEqual(good.map(({ row }) => row));
          expect(asked.calls).toBeLessThanOrEqual(1 + 2 * bad.size * Math.ceil(Math.log2(count) + 1));
        },
      ),
    );
  });

  it('are not looked through any more once too many are refused', async () => {
    const asked = gateway(new Set(rowsOf(1_000).map(({ row }) => row)));
    await expect(askRows(rowsOf(1_000), asked.ask, 3)).rejects.toThrow(
      /^row 4 \(line 5\): row 4 is bad; more than --max-errors 3 rows were refused/,
    );
    expect(asked.calls).toBeLessThan(30);
  });

  it('are asked in halves too where their message is too large', async () => {
    const sizes: number[] = [];
    const ask: AskTogether = async (rows) => {
      if (rows.length > 2) throw new MillraceError('payload-too-large', 'message larger than max');
      sizes.push(rows.length);
      return rows.map(({ row }) => ({ score: row, predictionId: '', version: '1', fallback: false }));
    };
    const { answered } = await askRows(rowsOf(8), ask, 0);
    expect(answered.map(({ asked }) => asked.row)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(sizes).toEqual([2, 2, 2, 2]);
  });

  it.each(['not-found', 'unavailable', 'internal'] as const)('are none of them blamed for %s', async (code) => {
    let calls = 0;
    const ask: AskTogether = async () => {
      calls += 1;
      throw new MillraceError(code, 'no');
    };
    await expect(askRows(rowsOf(8), ask, 8)).rejects.toMatchObject({ code });
    expect(calls).toBe(1);
  });
});
