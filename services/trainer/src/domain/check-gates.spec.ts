import { describe, expect, it } from '@jest/globals';
import { checkGates } from './check-gates.js';

const metrics = { 'validate.auc': 0.85, 'validate.logloss': 0.3, 'parity.maxAbsDiff': 2e-7 };

describe('gates', () => {
  it.each([
    ['validate.auc >= 0.80', true],
    ['validate.auc >= 0.90', false],
    ['parity.maxAbsDiff <= 1e-5', true],
    ['validate.auc >= 0.80 && validate.logloss < 0.2', false],
    ['validate.logloss <= live.validate.logloss * 1.02', true], // nothing is live
    ['validate.gini > 0.5', false], // no such metric
  ])('%s', (gate, holds) => expect(checkGates([gate], metrics)).toMatchObject([{ gate, holds }]));

  it('compare with the live version where there is one', () => {
    const gate = 'validate.logloss <= live.validate.logloss * 1.02';
    expect(checkGates([gate], { ...metrics, 'live.validate.logloss': 0.31 })[0]!.holds).toBe(true);
    const [worse] = checkGates([gate], { ...metrics, 'live.validate.logloss': 0.2 });
    expect(worse).toMatchObject({ holds: false, because: 'validate.logloss is 0.3, live.validate.logloss is 0.2' });
  });

  it('say why', () => {
    expect(
      checkGates(['live.validate.auc < 1.0', 'validate.auc >= 0.9'], metrics).map(({ because }) => because),
    ).toEqual(['nothing is live yet', 'validate.auc is 0.85']);
  });
});
