import { expect, it } from '@jest/globals';
import { weakerCandidate } from './weaker-candidate.js';

it('a weaker candidate has the AUC that was asked for, and a larger log-loss by that alone', () => {
  const { differences, liveAuc, candidateAuc } = weakerCandidate(0.02, 20_000);
  expect(liveAuc - candidateAuc).toBeCloseTo(0.02, 3);
  const mean = differences.reduce((sum, one) => sum + one, 0) / differences.length;
  expect(mean).toBeGreaterThan(0.002);
  expect(mean).toBeLessThan(0.03);
});
