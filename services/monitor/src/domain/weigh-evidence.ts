import type { Evidence } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import type { GuardrailsSpec } from '#libs/definitions/definition-kinds.js';
import { leastRows, meanDifferenceHarm, meanHarm } from '#libs/numeric/sequential/mean-bounds.js';
import { aboveP99, leastLiveRows, p99Harm } from '#libs/numeric/sequential/quantile-share.js';
import { errorHarm, type Harm, type Stratum } from '#libs/numeric/sequential/share-test.js';
import { type RolloutStatistics, rowsOf } from './rollout-statistics.js';

/** What is known of a guardrail, before it is held against its margin. */
interface Finding extends Harm {
  readonly guardrail: string;
  readonly margin: number;
  readonly candidateRows: number;
  readonly baselineRows: number;
  readonly method: string;
  /** What harm is, in words. */
  readonly subject: string;
  /** What there has to be before anything is said. */
  readonly needs: string;
  readonly show: (harm: number) => string;
}

const percent = (share: number): string => `${(share * 100).toFixed(2)} %`;
const nats = (loss: number): string => loss.toFixed(4);

/** One piece of evidence for each guardrail that is defined, alpha shared equally over them. Counts are of all steps: alpha is spent once, however many steps there are. */
export function weighEvidence(guardrails: GuardrailsSpec, statistics: RolloutStatistics): Evidence[] {
  const { errors, latencyP99, logloss } = guardrails;
  const defined = [errors, latencyP99, logloss].filter((one) => one !== undefined).length;
  const alpha = guardrails.alpha / defined;
  const findings: Finding[] = [];
  if (errors !== undefined) findings.push(findErrors(errors.margin, statistics, alpha));
  if (latencyP99 !== undefined) findings.push(findLatency(latencyP99.ratio, statistics, alpha));
  if (logloss !== undefined) findings.push(findLogloss(logloss.margin, statistics, alpha));
  return findings.map((finding) => conclude(finding, alpha));
}

function findErrors(margin: number, statistics: RolloutStatistics, alpha: number): Finding {
  const strata = strataOf(statistics);
  return {
    ...errorHarm(strata, alpha),
    guardrail: 'errors',
    margin,
    candidateRows: strata.reduce((sum, one) => sum + one.candidateRows, 0),
    baselineRows: strata.reduce((sum, one) => sum + one.liveRows, 0),
    method: 'error-share-by-step',
    subject: 'the share of rows that fail',
    needs: 'rows of both versions',
    show: percent,
  };
}

/** A stratum a step, for each splits the traffic in its own way. */
function strataOf(statistics: RolloutStatistics): Stratum[] {
  return [...new Set(statistics.steps.map(({ step }) => step))].map((step) => {
    const rows = (arm: 'live' | 'canary' | 'shadow', what: 'answered' | 'failed'): number =>
      rowsOf(statistics, arm, what, step);
    const candidateErrors = rows('canary', 'failed') + rows('shadow', 'failed');
    const liveErrors = rows('live', 'failed');
    return {
      candidateErrors,
      candidateRows: candidateErrors + rows('canary', 'answered') + rows('shadow', 'answered'),
      liveErrors,
      liveRows: liveErrors + rows('live', 'answered'),
    };
  });
}

/** Of what callers saw; what a shadow takes nobody waits for. */
function findLatency(ratio: number, statistics: RolloutStatistics, alpha: number): Finding {
  const { liveP99Us, canaryRows, canarySlowRows } = statistics.latency;
  const baselineRows = rowsOf(statistics, 'live', 'answered');
  return {
    ...p99Harm(canarySlowRows, canaryRows, baselineRows, alpha),
    guardrail: 'latencyP99',
    margin: 0,
    candidateRows: canaryRows,
    baselineRows,
    method: 'beta-binomial',
    subject: `the share of answers slower than ${ratio} times the live p99 of ${(liveP99Us / 1000).toFixed(2)} ms, less the ${percent(aboveP99)} that a p99 allows,`,
    needs: `canary rows, and ${leastLiveRows} live ones`,
    show: percent,
  };
}

/** Rollouts that have mirrored are judged by pairs, which need far fewer rows; others by what each version answered. */
function findLogloss(margin: number, statistics: RolloutStatistics, alpha: number): Finding {
  const { pairs, canaryLoss, liveLoss } = statistics;
  const common = { guardrail: 'logloss', margin, subject: 'the mean log-loss', show: nats };
  if (rowsOf(statistics, 'shadow', 'answered') > 0)
    return {
      ...common,
      ...meanHarm(pairs, alpha),
      candidateRows: pairs.n,
      baselineRows: pairs.n,
      method: 'paired-asymptotic',
      needs: `${leastRows} labelled pairs`,
    };
  return {
    ...common,
    ...meanDifferenceHarm(canaryLoss, liveLoss, alpha),
    candidateRows: canaryLoss.n,
    baselineRows: liveLoss.n,
    method: 'two-sample-asymptotic',
    needs: `${leastRows} labelled rows of each version`,
  };
}

function conclude(finding: Finding, alpha: number): Evidence {
  const { guardrail, harm, low, high, margin, candidateRows, baselineRows, method } = finding;
  const outcome = outcomeOf(finding);
  const evidence = { guardrail, outcome, harm, low, high, margin, alpha, candidateRows, baselineRows, method };
  return { ...evidence, reason: reasonOf(finding, outcome) };
}

function outcomeOf({ harm, low, high, margin, candidateRows, baselineRows }: Finding): string {
  if (candidateRows === 0 || baselineRows === 0) return 'no-data';
  if (low > 0) return 'fail';
  return high < margin && !Number.isNaN(harm) ? 'pass' : 'not-yet';
}

function reasonOf(finding: Finding, outcome: string): string {
  const { harm, low, high, margin, candidateRows, baselineRows, subject, needs, show } = finding;
  const rows = `${candidateRows} rows of the candidate and ${baselineRows} of the live version`;
  if (Number.isNaN(harm)) return `${rows}; ${needs} are needed`;
  const found = `${subject} is ${show(harm)} worse (between ${show(low)} and ${show(high)})`;
  if (outcome === 'fail') return `${found}: surely above 0`;
  if (outcome === 'pass') return `${found}: surely below the margin of ${show(margin)}`;
  return `${found}: not surely above 0, nor below the margin of ${show(margin)}`;
}
