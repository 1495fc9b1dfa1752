import type { Approval, TraceItem } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { type Evidence, Judgement } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import type { Rollout, RolloutMove } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { AuditWitness } from './trace-audit.js';
import { type Facts, instant, notProved, notRecorded, traceItem } from './trace-facts.js';
import type { TraceSources } from './trace-sources.js';

/** Who agreed to each rollout of the version, or that nobody was asked. */
export function approvalItems(sources: TraceSources, witness: AuditWitness): TraceItem[] {
  const { rollouts, approvals, brokenApprovals, prediction } = sources;
  if (rollouts.length === 0)
    return [traceItem('approval', '', 0, { [notRecorded]: `no rollout brought ${prediction.version} here` })];
  return rollouts.map(({ rolloutId, approvalDigest }) => {
    const rollout = `rollouts/${rolloutId}`;
    if (approvalDigest === '') return traceItem('approval', '', 0, { rollout, needed: 'no policy asked for one' });
    const broken = brokenApprovals.get(approvalDigest);
    if (broken !== undefined) return traceItem('approval', approvalDigest, 0, { rollout, [notProved]: broken });
    const found = approvals.find(({ digest }) => digest === approvalDigest);
    if (found === undefined)
      return traceItem('approval', approvalDigest, 0, { rollout, [notRecorded]: 'governance does not have it' });
    return traceItem('approval', approvalDigest, found.decidedMs || found.requestedMs, {
      rollout,
      ...approvalFacts(found, witness),
    });
  });
}

function approvalFacts(approval: Approval, witness: AuditWitness): Facts {
  const { digest, policy, state, quorum, roles, requestedBy, votes } = approval;
  const shown = votes.map((vote, i) => {
    const { voter, roles: had, approve, comment, atMs } = vote;
    const said = `${voter} (${had.join(', ')}) ${approve ? 'approved' : 'rejected'} ${instant(atMs)}`;
    return [`vote ${i + 1}`, `${said}${comment && `: ${comment}`}`] as const;
  });
  const proofs = votes.map((vote) => witness.ofVote(digest, vote));
  const problems = proofs.flatMap((proof) => proof[notProved] ?? []);
  return {
    policy,
    state,
    needs: `${quorum} of ${roles.join(', ')}`,
    'requested by': requestedBy,
    ...Object.fromEntries(shown),
    ...(problems.length > 0
      ? { [notProved]: problems.join('; ') }
      : { proved: proofs.map((proof) => proof['proved']).join('; ') }),
  };
}

/** Every move of every rollout that offered the version to the endpoint. */
export function rolloutItems({ rollouts, prediction }: TraceSources, witness: AuditWitness): TraceItem[] {
  if (rollouts.length === 0)
    return [
      traceItem('rollout', '', 0, {
        [notRecorded]: `a rollout of version ${prediction.version} to ${prediction.endpoint}; where somebody set it live, the audit entries say who`,
      }),
    ];
  return rollouts.flatMap((rollout) =>
    rollout.moves.map((move) => moveItem(rollout, move, prediction.answeredMs, witness)),
  );
}

function moveItem(rollout: Rollout, move: RolloutMove, answeredMs: number, witness: AuditWitness): TraceItem {
  const { from, to, step, cause, movedBy, movedMs } = move;
  const when = movedMs > answeredMs ? 'after the answer' : '';
  return traceItem('rollout', rollout.rolloutId, movedMs, {
    move: `${from || 'begin'} -> ${to}`,
    step: String(step),
    when,
    by: movedBy,
    cause,
    ...verdict(move),
    ...witness.ofMove(rollout, move),
  });
}

/** The numbers that a verdict rests on, each guardrail beside its margin. */
function verdict({ judgement: bytes }: RolloutMove): Facts {
  if (bytes.length === 0) return {};
  let judgement: Judgement;
  try {
    judgement = Judgement.decode(bytes);
  } catch {
    return { [notRecorded]: 'the judgement that it rests on cannot be read' };
  }
  const { outcome, stepPredictions, neededPredictions, evidence } = judgement;
  return {
    verdict: `${outcome}, ${stepPredictions} of ${neededPredictions} predictions`,
    ...Object.fromEntries(evidence.map((one) => [`guardrail ${one.guardrail}`, evidenceText(one)])),
  };
}

function evidenceText({ outcome, harm, low, high, margin, candidateRows, baselineRows }: Evidence): string {
  const bounds = Number.isNaN(harm)
    ? 'no harm measured'
    : `harm ${number(harm)} in [${number(low)}, ${number(high)}], margin ${number(margin)}`;
  return `${outcome}: ${bounds}; ${candidateRows} rows beside ${baselineRows}`;
}

function number(value: number): string {
  return Number.isNaN(value) ? '-' : String(Number(value.toPrecision(4)));
}
