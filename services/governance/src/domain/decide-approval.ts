import type { ApprovalVote } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import type { ApprovalContent } from '#libs/definitions/approval-content.js';
import { MillraceError } from '#libs/errors/millrace-error.js';

export type ApprovalState = 'waiting' | 'approved' | 'rejected' | 'withdrawn';

/** An approval as it is kept. */
export interface KeptApproval {
  readonly digest: string;
  /** rollouts/<id> */
  readonly subject: string;
  readonly content: ApprovalContent;
  readonly contentJson: Buffer;
  readonly requestedMs: number;
  readonly state: ApprovalState;
  /** 0 = waits, or what it was for has ended before it was decided. */
  readonly decidedMs: number;
  /** In the order in which they came. */
  readonly votes: readonly ApprovalVote[];
}

/** At most so many characters. */
export const maxComment = 2_000;

/**
 * An approval with one more vote. One rejection rejects; it is approved once each policy that asks has its quorum, of different voters who have one of its roles.
 * @throws MillraceError invalid-argument (the comment), failed-precondition (it is decided or withdrawn), permission-denied (another role, or the requester), already-exists (voted before)
 */
export function castVote(approval: KeptApproval, vote: ApprovalVote): KeptApproval {
  checkVote(approval, vote);
  const votes = [...approval.votes, vote];
  if (!vote.approve) return { ...approval, votes, state: 'rejected', decidedMs: vote.atMs };
  const approved = approval.content.policies.every((policy) => votesFor(policy.roles, votes) >= policy.quorum);
  return approved ? { ...approval, votes, state: 'approved', decidedMs: vote.atMs } : { ...approval, votes };
}

/** Who is still missing, e.g. `1 of model-risk (policy high-risk)`; empty = nobody. */
export function missingVotes({ content, votes }: KeptApproval): string[] {
  return content.policies.flatMap(({ name, roles, quorum }) => {
    const missing = quorum - votesFor(roles, votes);
    return missing > 0 ? [`${missing} of ${roles.join(', ')} (policy ${name})`] : [];
  });
}

export function rolesOf({ policies }: ApprovalContent): string[] {
  return [...new Set(policies.flatMap(({ roles }) => roles))];
}

export function refusesRequesters({ policies }: ApprovalContent): boolean {
  return policies.some(({ notRequester }) => notRequester);
}

function checkVote({ digest, content, state, votes }: KeptApproval, { voter, roles, comment }: ApprovalVote): void {
  const named = `approval ${digest.slice(0, 12)} of ${content.endpoint} version ${content.version.number}`;
  if (comment.length > maxComment)
    throw new MillraceError('invalid-argument', `comment: has ${comment.length} characters; at most ${maxComment}`);
  if (comment.includes('\0'))
    throw new MillraceError('invalid-argument', 'comment: has the character U+0000; it is text');
  if (state !== 'waiting')
    throw new MillraceError(
      'failed-precondition',
      `${named} is ${state}: ${state === 'withdrawn' ? 'what it was for has ended' : 'it was decided'}, and takes no more votes`,
    );
  const needed = rolesOf(content);
  if (!roles.some((role) => needed.includes(role)))
    throw new MillraceError(
      'permission-denied',
      `${voter} may not vote on ${named}: one of the roles ${needed.join(', ')} is needed, and it has ${roles.join(', ') || 'none'}`,
    );
  if (refusesRequesters(content) && content.requesters.includes(voter))
    throw new MillraceError(
      'permission-denied',
      `${voter} may not vote on ${named}: it was requested by ${content.requesters.join(' for ')}, and a policy asks somebody else`,
    );
  if (votes.some((vote) => vote.voter === voter))
    throw new MillraceError('already-exists', `${voter} has voted on ${named} already; one vote a person`);
}

function votesFor(roles: readonly string[], votes: readonly ApprovalVote[]): number {
  const voters = votes.filter((vote) => vote.approve && vote.roles.some((role) => roles.includes(role)));
  return new Set(voters.map(({ voter }) => voter)).size;
}
