import type { Moments } from '#libs/numeric/sequential/mean-bounds.js';

/** What a rollout has shown since it began, over all its steps. */
export interface RolloutStatistics {
  readonly steps: readonly StepCounts[];
  /** Log-loss of the shadow less that of the answer to the same row, labelled ones. */
  readonly pairs: Moments;
  /** Log-loss of labelled rows that the candidate answered, and of those that the live version did. */
  readonly canaryLoss: Moments;
  readonly liveLoss: Moments;
  readonly latency: {
    readonly liveP99Us: number;
    readonly canaryRows: number;
    /** Slower than the guardrail's ratio times the live version's p99. */
    readonly canarySlowRows: number;
  };
}

/** Answered and failed rows of a step, by who was to answer them. */
export interface StepCounts {
  readonly step: number;
  readonly arm: 'live' | 'canary' | 'shadow';
  readonly answered: number;
  readonly failed: number;
}

/** Over all steps, or of one. */
export function rowsOf(
  statistics: RolloutStatistics,
  arm: StepCounts['arm'],
  what: 'answered' | 'failed',
  step?: number,
): number {
  return statistics.steps
    .filter((one) => one.arm === arm && (step === undefined || one.step === step))
    .reduce((sum, one) => sum + one[what], 0);
}
