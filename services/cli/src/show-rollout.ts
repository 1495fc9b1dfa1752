import { Judgement } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import type { Rollout } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { print, printTable } from './output.js';

/** A rollout as JSON shows it: guardrails and judgements are objects, not bytes. */
export function plainRollout(rollout: Rollout): Record<string, unknown> {
  const { guardrailsJson, approvalJson, candidate, baseline, moves, ...rest } = rollout;
  return {
    ...rest,
    candidate: candidate?.version,
    baseline: baseline?.version ?? null,
    guardrails: JSON.parse(guardrailsJson.toString() || '{}') as unknown,
    approval: JSON.parse(approvalJson.toString() || 'null') as unknown,
    moves: moves.map((move) => ({
      ...move,
      judgement: move.judgement.length > 0 ? Judgement.decode(move.judgement) : null,
    })),
  };
}

/** What it is, its steps, its moves. */
export function showRollout(rollout: Rollout): void {
  print(`${rollout.endpoint}: version ${rollout.candidate?.version} of ${rollout.model}, ${standing(rollout)}`);
  print(`rollout ${rollout.rolloutId}, instead of ${instead(rollout)}; by ${rollout.startedBy}: ${rollout.cause}\n`);
  if (rollout.state === 'pending') print(`${waitsFor(rollout)}\n`);
  if (rollout.steps.length > 0) {
    const rows = rollout.steps.map((step, i) => [
      i,
      step.kind,
      `${step.percent} %`,
      step.predictions,
      mark(rollout, i),
    ]);
    printTable(['STEP', 'KIND', 'ANSWERS', 'PREDICTIONS', ''], rows, '');
    print('');
  }
  const moves = rollout.moves.map((move) => [
    new Date(move.movedMs).toISOString(),
    move.from,
    move.to,
    move.step,
    move.movedBy,
    move.cause,
  ]);
  printTable(['MOVED', 'FROM', 'TO', 'STEP', 'BY', 'CAUSE'], moves, '');
}

/** Its state and, where one is under way, the step, e.g. `canary, step 1 of 0 to 2`. */
export function standing({ state, step, steps, pausedFrom }: Rollout): string {
  if (state === 'paused') return `paused in ${pausedFrom}, step ${step} of 0 to ${steps.length - 1}`;
  return state === 'shadow' || state === 'canary' ? `${state}, step ${step} of 0 to ${steps.length - 1}` : state;
}

/** Whom a pending rollout waits for, and how they say so. */
function waitsFor({ approvalDigest, approvalRule }: Rollout): string {
  const { policies = [], roles = [], quorum = 1, notRequester = false } = approvalRule ?? {};
  const who = `${quorum} of ${roles.join(', ')}${notRequester ? ', not who requested it' : ''}`;
  const digest = approvalDigest.slice(0, 12);
  return `waits for approval ${digest} by ${who} (policy ${policies.join(', ')}): millrace approvals show ${digest}`;
}

function instead({ baseline }: Rollout): string {
  return baseline === undefined ? 'nothing' : `version ${baseline.version}`;
}

/** Where it stands, or came to. */
function mark({ step, state }: Rollout, index: number): string {
  if (index !== step) return '';
  return ['shadow', 'canary'].includes(state) ? '<- now' : `<- ${state}`;
}

/**
 * Each guardrail's evidence beside its thresholds. Harm, bounds and margin are in the guardrail's unit, positive = the candidate is worse; it fails when the lower bound is over 0 and
 * passes when the upper one is under the margin. NaN = there is none yet, shown as '-'.
 */
export function showJudgement(judgement: Judgement): void {
  const { outcome, reason, stepPredictions, neededPredictions, judgedMs, evidence } = judgement;
  print(`judged ${new Date(judgedMs).toISOString()}: ${outcome}${reason && `; ${reason}`}`);
  print(`${stepPredictions} of ${neededPredictions} predictions by the candidate in step ${judgement.step}\n`);
  const rows = evidence.map((one) => [
    one.guardrail,
    one.outcome,
    known(one.harm),
    known(one.low),
    known(one.high),
    known(one.margin),
    one.candidateRows,
    one.baselineRows,
    one.reason,
  ]);
  const headings = ['GUARDRAIL', 'OUTCOME', 'HARM', 'LOW (FAILS > 0)', 'HIGH (PASSES < MARGIN)', 'MARGIN'];
  printTable([...headings, 'ROWS', 'LIVE ROWS', 'REASON'], rows, 'no guardrails are defined');
}

function known(value: number): number | undefined {
  return Number.isNaN(value) ? undefined : value;
}
