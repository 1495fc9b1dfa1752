import { describe, expect, it } from '@jest/globals';
import { advanced, type BatchProgress, dueBlock, insertedBlock, nothingDone } from './batch-progress.js';

const row = { row: 1, line: 1, cells: [], vector: undefined, kept: [] };
const answer = { score: 0.5, predictionId: 'p', version: '2', fallback: false };

describe('progress', () => {
  it('is of chunks whose rows are in the output', () => {
    const refused = { row: 3, line: 3, reason: 'no' };
    const chunk = { number: 4, rows: [row, row], rejections: [refused], end: { offset: 90, row: 8, line: 9 } };
    const done = {
      chunk,
      answered: [
        { asked: row, answer },
        { asked: row, answer: { ...answer, version: '3', fallback: true } },
      ],
      rejected: [refused],
    };
    const before: BatchProgress = { ...nothingDone, answered: 10, versions: { '2': 10 } };
    expect(advanced(before, [done], { outputBytes: 700, rejectedBytes: 30 })).toEqual({
      ...nothingDone,
      place: chunk.end,
      chunk: 5,
      outputBytes: 700,
      rejectedBytes: 30,
      answered: 12,
      rejected: 2,
      fallbacks: 1,
      versions: { '2': 11, '3': 1 },
    });
  });

  it('has a block due when there is enough for one, or at the end', () => {
    const of = (outputBytes: number, more: Partial<BatchProgress> = {}) => ({ ...nothingDone, outputBytes, ...more });
    expect(dueBlock(of(99), 100, false)).toBeUndefined();
    expect(dueBlock(of(100), 100, false)).toEqual({ number: 0, from: 0, to: 100 });
    expect(dueBlock(of(0), 100, true)).toBeUndefined();
    const inserted = { blocks: 3, bytes: 250 };
    expect(dueBlock(of(260, { inserted }), 100, true)).toEqual({ number: 3, from: 250, to: 260 });
    expect(dueBlock(of(250, { inserted }), 100, true)).toBeUndefined();
  });

  it('that was broken off in an insert has the same block due, whatever was written since', () => {
    const inserting = { number: 1, from: 100, to: 220 };
    const broken: BatchProgress = { ...nothingDone, outputBytes: 900, inserting, inserted: { blocks: 1, bytes: 100 } };
    expect(dueBlock(broken, 100, false)).toEqual(inserting);
    const after = insertedBlock(broken);
    expect(after).toEqual({ ...nothingDone, outputBytes: 900, inserted: { blocks: 2, bytes: 220 } });
    expect(dueBlock(after, 100, false)).toEqual({ number: 2, from: 220, to: 900 });
  });
});
