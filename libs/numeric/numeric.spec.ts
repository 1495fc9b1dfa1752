import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { auc } from './auc.js';
import { wilson } from './estimate.js';
import { brier, ece, logloss } from './probability-scores.js';

const scored = fc.array(fc.tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 1 })), {
  minLength: 2,
  maxLength: 60,
});

describe('auc', () => {
  it('is the share of pairs in order, ties half', () => {
    fc.assert(
      fc.property(scored, (rows) => {
        const [scores, labels] = [rows.map(([score]) => score / 20), rows.map(([, label]) => label)];
        let [pairs, wins] = [0, 0];
        rows.forEach(([a, labelA]) => {
          rows.forEach(([b, labelB]) => {
            if (labelA !== 1 || labelB !== 0) return;
            pairs += 1;
            wins += a > b ? 1 : a === b ? 0.5 : 0;
          });
        });
        const { value, low, high } = auc(scores, labels);
        if (pairs === 0) return expect(value).toBeNaN();
        expect(value).toBeCloseTo(wins / pairs, 10);
        expect(low).toBeLessThanOrEqual(value);
        expect(high).toBeGreaterThanOrEqual(value);
      }),
    );
  });

  it('has the interval of DeLong, by hand for a small case', () => {
    // positives .8 .6 .55, negatives .7 .3 .2: structural components 1, 2/3, 2/3 and 1/3, 1, 1.
    const { value, low, high } = auc([0.8, 0.6, 0.55, 0.7, 0.3, 0.2], [1, 1, 1, 0, 0, 0]);
    const se = Math.sqrt(1 / 27 / 3 + 4 / 27 / 3);
    expect(value).toBeCloseTo(7 / 9, 12);
    expect(low).toBeCloseTo(7 / 9 - 1.959963984540054 * se, 10);
    expect(high).toBe(1);
  });
});

it('log-loss and Brier score are those of scikit-learn', () => {
  const [p, y] = [
    [0.1, 0.9, 0.8, 0.35],
    [0, 1, 1, 0],
  ];
  expect(logloss(p, y).value).toBeCloseTo(0.2161621, 6);
  expect(brier(p, y).value).toBeCloseTo(0.045625, 12);
  expect(logloss([0], [1]).value).toBeCloseTo(16.118, 3);
});

it('ece is 0 for what is calibrated, and the distance for what is not', () => {
  expect(ece([0.5, 0.5], [0, 1]).value).toBe(0);
  expect(ece([0.9, 0.9], [0, 0]).value).toBeCloseTo(0.9, 12);
  expect(ece([], []).value).toBeNaN();
});

it("Wilson's interval is that of the textbook", () => {
  const { value, low, high } = wilson(8, 10);
  expect([value, low, high].map((x) => x.toFixed(4))).toEqual(['0.8000', '0.4902', '0.9433']);
  expect(wilson(0, 0).value).toBeNaN();
});
