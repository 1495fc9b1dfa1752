import { Judgement } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { ModelVersion, Rollout } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { MillraceError } from '#libs/errors/millrace-error.js';

export const startMs = Date.UTC(2026, 10, 25, 9);
export const digest = 'ab12'.repeat(16);

/** A canary of 10 % after a shadow, of a version that is a little better. */
export const canary = Rollout.fromPartial({
  rolloutId: 'r-canary',
  endpoint: 'late-arrival',
  model: 'late',
  candidate: ModelVersion.fromPartial({ model: 'late', version: '3' }),
  baseline: ModelVersion.fromPartial({ model: 'late', version: '2' }),
  steps: [
    { kind: 'shadow', percent: 0, predictions: 200 },
    { kind: 'canary', percent: 10, predictions: 100 },
    { kind: 'canary', percent: 50, predictions: 500 },
  ],
  state: 'canary',
  step: 1,
  generation: 2,
  moves: [
    { from: '', to: 'shadow', step: 0, cause: 'registered by run r2', movedBy: 'trainer', movedMs: startMs },
    {
      from: 'shadow',
      to: 'canary',
      step: 1,
      cause: '203 predictions of 200 in this step; errors, logloss within the margin',
      movedBy: 'judge',
      movedMs: startMs + 60_000,
    },
  ],
  cause: 'registered by run r2',
  startedBy: 'trainer',
  startedMs: startMs,
});

export const aborted = Rollout.fromPartial({
  ...canary,
  rolloutId: 'r-aborted',
  candidate: ModelVersion.fromPartial({ model: 'late', version: '4' }),
  state: 'aborted',
  step: 0,
  moves: [
    canary.moves[0]!,
    {
      from: 'shadow',
      to: 'aborted',
      step: 0,
      cause: 'logloss: the mean log-loss is 0.5595 worse (between 0.3562 and 0.7627): surely above 0',
      movedBy: 'judge',
      movedMs: startMs + 90_000,
    },
  ],
});

export const pending = Rollout.fromPartial({
  ...canary,
  rolloutId: 'r-pending',
  state: 'pending',
  step: 0,
  approvalDigest: digest,
  moves: [
    { from: '', to: 'pending', step: 0, cause: 'two-eyes asks for 2 votes', movedBy: 'policy', movedMs: startMs },
  ],
});

/** Began at its second step, and went through. */
export const live = Rollout.fromPartial({
  ...canary,
  rolloutId: 'r-live',
  state: 'live',
  step: 2,
  moves: [
    { from: '', to: 'canary', step: 1, cause: 'vouched for (from step 1)', movedBy: 'ann', movedMs: startMs },
    { from: 'canary', to: 'canary', step: 2, cause: 'within the margin', movedBy: 'judge', movedMs: startMs + 1_000 },
    { from: 'canary', to: 'live', step: 2, cause: 'within the margin', movedBy: 'judge', movedMs: startMs + 2_000 },
  ],
});

/** 40 judgements, newest first: the intervals close around a small harm; errors cannot be measured in the first five. */
export const judgements = Array.from({ length: 40 }, (_, i) => {
  const rows = 60 + i * 45;
  const half = 1.2 / Math.sqrt(rows);
  const harm = -0.004 + 0.02 * Math.cos(i);
  return Judgement.fromPartial({
    rolloutId: canary.rolloutId,
    generation: 2,
    endpoint: canary.endpoint,
    candidateVersion: '3',
    baselineVersion: '2',
    step: 1,
    outcome: 'not-yet',
    stepPredictions: 2 * i,
    neededPredictions: 100,
    reason: `${2 * i} predictions of 100 in this step`,
    judgedMs: startMs + 60_000 + i * 1_000,
    evidence: [
      {
        guardrail: 'logloss',
        outcome: harm + half < 0.05 ? 'pass' : 'not-yet',
        harm,
        low: harm - half,
        high: harm + half,
        margin: 0.05,
        alpha: 0.025,
        candidateRows: rows,
        baselineRows: rows,
        method: 'paired-asymptotic',
        reason: `the mean log-loss is ${harm.toFixed(4)} worse; it has to be surely below 0.05`,
      },
      {
        guardrail: 'errors',
        outcome: i < 5 ? 'no-data' : 'pass',
        harm: i < 5 ? Number.NaN : 0,
        low: i < 5 ? Number.NaN : -0.01,
        high: i < 5 ? Number.NaN : 0.5 / (i + 1),
        margin: 0.02,
        alpha: 0.025,
        candidateRows: rows,
        baselineRows: 9 * rows,
        method: 'beta-binomial',
        reason: 'no row failed',
      },
    ],
  });
}).reverse();

export function rolloutOf(id: string): Rollout {
  const found = [canary, aborted, pending, live].find(({ rolloutId }) => rolloutId === id);
  if (found === undefined) throw new MillraceError('not-found', `there is no rollout ${id}`);
  return found;
}
