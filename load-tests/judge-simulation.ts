import { parseArgs } from 'node:util';
import { z95 } from '#libs/numeric/estimate.js';
import {
  anytimeValid,
  type Outcome,
  type Rule,
  type Scenario,
  simulateRollouts,
} from '#libs/numeric/sequential/simulate-rollouts.js';
import { weakerCandidate } from './weaker-candidate.js';

/** How often is a candidate rolled back, and after how many predictions: by the judge, by a z-test at each look, and by thresholds of each batch? Needs no mesh. */
const { values } = parseArgs({
  options: { seed: { type: 'string', default: '20010610' }, rollouts: { type: 'string', default: '2000' } },
});
const alpha = 0.05;
const base: Scenario = {
  seed: Number(values.seed),
  rollouts: Number(values.rollouts),
  looks: 50,
  batch: 200,
  liveErrorRate: 0.02,
  candidateErrorRate: 0.02,
  worseLoss: 0,
};
const weaker = weakerCandidate(0.02, 200_000);
const scenarios: Record<string, Partial<Scenario>> = {
  'as good (A/A), 50 looks': {},
  'as good (A/A), 500 looks': { batch: 20, looks: 500 },
  'log-loss worse by 0.02': { worseLoss: 0.02 },
  'log-loss worse by 0.05': { worseLoss: 0.05 },
  'AUC lower by 0.02, calibrated': { differences: weaker.differences, batch: 500, looks: 100 },
  'errors 2 % to 3 %': { candidateErrorRate: 0.03 },
  'errors 2 % to 4 %': { candidateErrorRate: 0.04 },
};

/** One-sided at 0.025 for each of two metrics: 0.05 of a single look. */
function peekedZTest(): Rule {
  return ({ errors, loss }) => {
    const { candidateErrors, candidateRows, liveErrors, liveRows } = errors;
    const pooled = (candidateErrors + liveErrors) / (candidateRows + liveRows);
    const spread = Math.sqrt(pooled * (1 - pooled) * (1 / candidateRows + 1 / liveRows));
    const zErrors = (candidateErrors / candidateRows - liveErrors / liveRows) / spread;
    return zErrors > z95 || loss.mean / Math.sqrt(loss.variance / loss.n) > z95;
  };
}

/** As Flagger does: each look sees the last batch alone, the fifth one beyond a threshold rolls back. The thresholds leave 1 % of errors and 0.02 of log-loss. */
function fixedThresholds(): Rule {
  let breaches = 0;
  return ({ batchErrors, batchLoss }) => {
    if (batchErrors > base.liveErrorRate + 0.01 || batchLoss > 0.02) breaches += 1;
    return breaches >= 5;
  };
}

const rules = { judge: () => anytimeValid(alpha), zTest: peekedZTest, thresholds: fixedThresholds };
const cell = ({ rolledBack, medianPredictions }: Outcome): string =>
  `${(rolledBack * 100).toFixed(1)} %${Number.isNaN(medianPredictions) ? '' : ` (${medianPredictions})`}`;

console.log(
  `seed ${base.seed}, ${base.rollouts} rollouts a row, at most ${base.looks * base.batch} predictions each\n`,
);
console.log('| candidate | judge, alpha 0.05 | z-test at each look | fixed thresholds, 5 breaches |');
console.log('| --- | --- | --- | --- |');
for (const [name, change] of Object.entries(scenarios)) {
  const found = simulateRollouts({ ...base, ...change }, rules);
  console.log(`| ${name} | ${cell(found.judge)} | ${cell(found.zTest)} | ${cell(found.thresholds)} |`);
}
