import type { ApprovalDecided } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import type { Judgement } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import {
  type ModelVersion,
  Rollout,
  type RolloutMove,
} from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { canonicalJson } from '#libs/definitions/canonical-json.js';
import type { EndpointSpec } from '#libs/definitions/definition-kinds.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { ApprovalNeed } from './approval-need.js';

/** What a person can do in each state; a state without actions is an end. */
const actionsOf: Readonly<Record<string, readonly string[]>> = {
  pending: ['abort'],
  shadow: ['promote', 'pause', 'abort'],
  canary: ['promote', 'pause', 'abort'],
  paused: ['resume', 'abort'],
  live: [],
  aborted: [],
  superseded: [],
};
const allActions = ['promote', 'pause', 'resume', 'abort'];
const judge = 'judge';
/** A cause is for a person to read: comments of voters may be longer. */
const maxCauseLength = 1_000;

/** Who moves a rollout, why and when. */
export interface Mover {
  readonly by: string;
  readonly cause: string;
  /** Wall clock, epoch ms. */
  readonly atMs: number;
}

export interface RolloutStart {
  readonly rolloutId: string;
  readonly endpoint: EndpointSpec;
  readonly candidate: ModelVersion;
  /** Absent = nothing is live yet. */
  readonly baseline: ModelVersion | undefined;
  /** Index into the endpoint's steps; means nothing where the version goes live at once. */
  readonly fromStep: number;
  /** Absent = nobody is asked. */
  readonly approval?: ApprovalNeed | undefined;
}

/**
 * A rollout that waits where an approval is needed; else at its first step, or live at once where nothing is live yet or the endpoint has no steps. Steps and guardrails are those of the definition now: a later change of it
 * does not reach a rollout that has begun.
 * @throws MillraceError invalid-argument when `fromStep` is not one of the steps
 */
export function startRollout(start: RolloutStart, mover: Mover): Rollout {
  const { rolloutId, endpoint, candidate, baseline, fromStep, approval } = start;
  const atOnce = baseline === undefined || endpoint.rollout.length === 0;
  const first = endpoint.rollout[fromStep];
  if (!atOnce && first === undefined)
    throw new MillraceError(
      'invalid-argument',
      `from_step: ${fromStep}; endpoint ${endpoint.name} has the steps 0 to ${endpoint.rollout.length - 1}`,
    );
  const cause = atOnce || fromStep === 0 ? mover.cause : `${mover.cause} (from step ${fromStep})`;
  const rollout = Rollout.fromPartial({
    rolloutId,
    endpoint: endpoint.name,
    model: endpoint.model,
    candidate,
    ...(baseline === undefined ? {} : { baseline }),
    steps: endpoint.rollout.map((step) => ({ ...step })),
    guardrailsJson: Buffer.from(canonicalJson(endpoint.guardrails)),
    cause,
    startedBy: mover.by,
    startedMs: mover.atMs,
    ...(approval === undefined
      ? {}
      : { approvalDigest: approval.digest, approvalJson: approval.json, approvalRule: approval.rule }),
  });
  const step = atOnce ? 0 : fromStep;
  if (approval !== undefined) return moved(rollout, 'pending', step, { ...mover, cause });
  return begun(rollout, step, { ...mover, cause });
}

/** Where a rollout goes once nobody has to be asked any more. */
function begun(rollout: Rollout, step: number, mover: Mover): Rollout {
  const atOnce = rollout.baseline === undefined || rollout.steps.length === 0;
  return atOnce ? moved(rollout, 'live', 0, mover) : moved(rollout, rollout.steps[step]!.kind, step, mover);
}

/** Whether it can still move. */
export function isUnderWay({ state }: Rollout): boolean {
  return (actionsOf[state] ?? []).length > 0;
}

/**
 * What a verdict does: `pass` takes the next step, or makes the candidate live after the last; `fail` aborts. A judgement of another generation or step than the rollout's moves
 * nothing, so that one that is delivered again never takes a step twice.
 * @param bytes of the judgement, kept with the move
 * @returns undefined = nothing moves
 */
export function onJudgement(
  rollout: Rollout,
  judgement: Judgement,
  bytes: Uint8Array,
  atMs: number,
): Rollout | undefined {
  if (rollout.state !== 'shadow' && rollout.state !== 'canary') return undefined;
  const isOfNow =
    judgement.rolloutId === rollout.rolloutId &&
    judgement.generation === rollout.generation &&
    judgement.step === rollout.step;
  if (!isOfNow) return undefined;
  const mover = { by: judge, cause: judgement.reason || `judgement: ${judgement.outcome}`, atMs };
  if (judgement.outcome === 'pass') return next(rollout, mover, bytes);
  return judgement.outcome === 'fail' ? moved(rollout, 'aborted', rollout.step, mover, bytes) : undefined;
}

/**
 * What people decided: an approval begins a pending rollout, a rejection aborts it. One for another rollout or digest moves nothing, and neither does one that comes again.
 * @param unfit why the candidate cannot be served any more; undefined = it can
 * @returns undefined = nothing moves
 */
export function onDecision(
  rollout: Rollout,
  decision: ApprovalDecided,
  unfit: string | undefined,
  atMs: number,
): Rollout | undefined {
  const isOfThis =
    rollout.state === 'pending' &&
    decision.subject === `rollouts/${rollout.rolloutId}` &&
    decision.digest === rollout.approvalDigest &&
    decision.digest !== '';
  if (!isOfThis) return undefined;
  const by = decision.votes.at(-1)?.voter ?? 'governance';
  const said = decision.votes.map(({ voter, comment }) => (comment === '' ? voter : `${voter}: ${comment}`)).join('; ');
  const cause = `${decision.approved ? 'approved' : 'rejected'} by ${said}`.slice(0, maxCauseLength);
  if (!decision.approved) return moved(rollout, 'aborted', rollout.step, { by, cause, atMs });
  if (unfit === undefined) return begun(rollout, rollout.step, { by, cause, atMs });
  return moved(rollout, 'aborted', rollout.step, { by, cause: `${cause}; meanwhile ${unfit}`, atMs });
}

/**
 * A person's move.
 * @param action promote (to the next step, or live after the last) | pause | resume (the step it was paused in) | abort
 * @throws MillraceError invalid-argument for another action, failed-precondition when the state does not have it
 */
export function moveRollout(rollout: Rollout, action: string, mover: Mover): Rollout {
  if (!allActions.includes(action))
    throw new MillraceError('invalid-argument', `action: "${action}"; one of ${allActions.join(', ')}`);
  const possible = actionsOf[rollout.state] ?? [];
  if (!possible.includes(action))
    throw new MillraceError(
      'failed-precondition',
      `${action}: rollout ${rollout.rolloutId} of ${rollout.endpoint} is ${rollout.state}${waitsFor(rollout)}; ` +
        (possible.length > 0 ? `in it one can ${possible.join(', ')}` : 'it has ended; start another'),
    );
  if (action === 'promote') return next(rollout, mover);
  if (action === 'abort') return moved(rollout, 'aborted', rollout.step, mover);
  if (action === 'pause') return { ...moved(rollout, 'paused', rollout.step, mover), pausedFrom: rollout.state };
  return moved(rollout, rollout.pausedFrom, rollout.step, mover);
}

function waitsFor({ state, approvalDigest }: Rollout): string {
  return state === 'pending' ? ` and waits for approval ${approvalDigest.slice(0, 12)}` : '';
}

/** Another version takes its place. One that has ended is given back as it is. */
export function supersede(rollout: Rollout, mover: Mover): Rollout {
  return isUnderWay(rollout) ? moved(rollout, 'superseded', rollout.step, mover) : rollout;
}

function next(rollout: Rollout, mover: Mover, judgement?: Uint8Array): Rollout {
  const step = rollout.steps[rollout.step + 1];
  return step === undefined
    ? moved(rollout, 'live', rollout.step, mover, judgement)
    : moved(rollout, step.kind, rollout.step + 1, mover, judgement);
}

function moved(
  rollout: Rollout,
  to: string,
  step: number,
  mover: Mover,
  judgement: Uint8Array = Buffer.alloc(0),
): Rollout {
  const move: RolloutMove = {
    from: rollout.state,
    to,
    step,
    cause: mover.cause,
    movedBy: mover.by,
    movedMs: mover.atMs,
    judgement: Buffer.from(judgement),
  };
  return {
    ...rollout,
    state: to,
    step,
    generation: rollout.generation + 1,
    moves: [...rollout.moves, move],
    pausedFrom: '',
  };
}
