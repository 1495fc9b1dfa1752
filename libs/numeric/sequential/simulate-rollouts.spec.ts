import { expect, it } from '@jest/globals';
import { anytimeValid, simulateRollouts } from './simulate-rollouts.js';

const alpha = 0.05;
const equal = {
  seed: 20_010_610,
  looks: 40,
  batch: 100,
  liveErrorRate: 0.02,
  candidateErrorRate: 0.02,
  worseLoss: 0,
};
const rules = { judge: () => anytimeValid(alpha) };

it('A canary as good as the live version is rolled back at most alpha of the time, however often one looks', () => {
  const { judge } = simulateRollouts({ ...equal, rollouts: 2_000 }, rules);
  expect(judge.rolledBack).toBeLessThanOrEqual(alpha);
  // A judge that never rolls back would keep that promise as well.
  expect(judge.rolledBack).toBeGreaterThan(0);
});

it('A canary whose log-loss is worse by 0.05 is rolled back', () => {
  const { judge } = simulateRollouts({ ...equal, rollouts: 200, worseLoss: 0.05 }, rules);
  expect(judge.rolledBack).toBe(1);
  expect(judge.medianPredictions).toBeLessThan(1_500);
});

it('A canary that fails 4 % instead of 2 % is rolled back', () => {
  const { judge } = simulateRollouts({ ...equal, rollouts: 200, looks: 60, candidateErrorRate: 0.04 }, rules);
  expect(judge.rolledBack).toBeGreaterThan(0.95);
  expect(judge.medianPredictions).toBeLessThan(3_000);
});
