import type { Evidence, Judgement } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import type { Rollout } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { GuardrailsSpec } from '#libs/definitions/definition-kinds.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { type RolloutStatistics, rowsOf } from './rollout-statistics.js';
import { weighEvidence } from './weigh-evidence.js';

/**
 * How a rollout stands: fail as soon as one guardrail surely is broken; pass when every one that its step can measure surely holds and the candidate made the predictions that
 * the step asks for. A shadow step cannot measure latencyP99, which is of what callers see: it waits for a canary step. Without guardrails the count alone decides. A pass of a model
 * of task tensors says that nothing judged what it answers: it has no label.
 */
export function judgeRollout(
  rollout: Rollout,
  guardrails: GuardrailsSpec,
  statistics: RolloutStatistics,
  judgedMs: number,
): Judgement {
  const step = rollout.steps[rollout.step];
  const arm = step?.kind === 'shadow' ? 'shadow' : 'canary';
  const made = rowsOf(statistics, arm, 'answered', rollout.step);
  const needed = step?.predictions ?? 0;
  const evidence = weighEvidence(guardrails, statistics);
  return {
    rolloutId: rollout.rolloutId,
    generation: rollout.generation,
    endpoint: rollout.endpoint,
    candidateVersion: rollout.candidate?.version ?? '',
    baselineVersion: rollout.baseline?.version ?? '',
    step: rollout.step,
    ...verdict(evidence, arm, made, needed, candidateRows(statistics), unjudgedOf(rollout)),
    evidence,
    stepPredictions: made,
    neededPredictions: needed,
    judgedMs,
  };
}

/** @throws MillraceError invalid-argument */
export function guardrailsOf({ rolloutId, guardrailsJson }: Rollout): GuardrailsSpec {
  const text = guardrailsJson.toString();
  try {
    const spec = JSON.parse(text) as GuardrailsSpec;
    if (spec.alpha > 0 && spec.alpha < 0.5) return spec;
  } catch (error) {
    const problem = `rollout ${rolloutId}: guardrails_json ${text} is no JSON`;
    throw new MillraceError('invalid-argument', problem, { cause: error });
  }
  throw new MillraceError(
    'invalid-argument',
    `rollout ${rolloutId}: guardrails_json ${text} has no alpha between 0 and 0.5`,
  );
}

function verdict(
  evidence: readonly Evidence[],
  arm: string,
  made: number,
  needed: number,
  rows: number,
  unjudged: string,
): Pick<Judgement, 'outcome' | 'reason'> {
  const said = ({ guardrail, reason }: Evidence): string => `${guardrail}: ${reason}`;
  const failed = evidence.find(({ outcome }) => outcome === 'fail');
  if (failed !== undefined) return { outcome: 'fail', reason: said(failed) };
  if (rows === 0) return { outcome: 'no-data', reason: 'the candidate has been asked nothing yet' };
  const counted = `${made} predictions of ${needed} in this step`;
  const open = evidence.find((one) => one.outcome !== 'pass' && !(arm === 'shadow' && one.guardrail === 'latencyP99'));
  if (open !== undefined) return { outcome: 'not-yet', reason: `${said(open)}; ${counted}` };
  return { outcome: made < needed ? 'not-yet' : 'pass', reason: `${counted}; ${holding(evidence)}${unjudged}` };
}

function unjudgedOf({ candidate }: Rollout): string {
  return candidate?.task === 'tensors'
    ? '; what it answers is not judged, for a model of task tensors has no label'
    : '';
}

function holding(evidence: readonly Evidence[]): string {
  const passed = evidence.filter(({ outcome }) => outcome === 'pass').map(({ guardrail }) => guardrail);
  return passed.length === 0 ? 'no guardrail is judged here' : `${passed.join(', ')} within the margin`;
}

function candidateRows(statistics: RolloutStatistics): number {
  const arms = ['canary', 'shadow'] as const;
  return arms.reduce((sum, arm) => sum + rowsOf(statistics, arm, 'answered') + rowsOf(statistics, arm, 'failed'), 0);
}
