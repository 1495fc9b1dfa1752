import { describe, expect, it } from '@jest/globals';
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { outputRows, rejectionLine, shortestFloat } from './output-rows.js';

const answered = (kept: readonly unknown[], score = Math.fround(0.1)) => ({
  asked: { row: 7, line: 8, cells: [], vector: undefined, kept },
  answer: { score, predictionId: 'a-1-0', version: '2', fallback: false },
});
const columns = { kept: ['id', 'note "x"'] };

describe('output rows', () => {
  it('say the number of the row, what is kept of it, and the answer', () => {
    expect(outputRows('jsonl', columns, 'probability', { run_id: 'r' }).line(answered(['a', undefined]))).toBe(
      '{"run_id":"r","row":7,"id":"a","note \\"x\\"":null,"probability":0.1,"prediction_id":"a-1-0","model_version":"2","fallback":false}\n',
    );
    const csv = outputRows('csv', columns, 'prediction');
    expect(csv.header + csv.line(answered(['a', null]))).toBe(
      'row,id,"note ""x""",prediction,prediction_id,model_version,fallback\n7,a,,0.1,a-1-0,2,false\n',
    );
  });

  it('of CSV are read back as they were', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (id, note) => {
        const csv = outputRows('csv', columns, 'probability');
        const [, [row, ...cells]] = parse(csv.header + csv.line(answered([id, note]))) as [string[], string[]];
        expect([row, cells.slice(0, 2)]).toEqual(['7', [id, note]]);
      }),
    );
  });

  it('hold a score with the fewest digits that are the same float32', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(Math.fround(shortestFloat(value)) === value).toBe(true);
        expect(String(shortestFloat(value)).length).toBeLessThanOrEqual(String(value).length);
      }),
    );
    expect(shortestFloat(Math.fround(0.1))).toBe(0.1);
  });

  it('hold what JSON has no number for as ClickHouse reads it', () => {
    const { line } = outputRows('jsonl', { kept: [] }, 'probability');
    expect(JSON.parse(line(answered([], Number.NaN)))).toMatchObject({ probability: 'nan' });
    expect(JSON.parse(line(answered([], -Infinity)))).toMatchObject({ probability: '-infinity' });
  });

  it('that are none say row, line and reason', () => {
    expect(rejectionLine({ row: 3, line: 4, reason: 'no' })).toBe('{"row":3,"line":4,"reason":"no"}\n');
    expect(rejectionLine({ row: 3, line: 0, reason: 'no' })).toBe('{"row":3,"reason":"no"}\n');
  });
});
