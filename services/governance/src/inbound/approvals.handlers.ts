import { randomUUID } from 'node:crypto';
import {
  type Approval,
  AuditEvent,
  type DecideApprovalRequest,
  type ListApprovalsRequest,
  type ListApprovalsResponse,
} from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import type { Caller } from '#libs/auth/caller.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { CallContext } from '#libs/rpc/served-context.js';
import { castVote, type KeptApproval, refusesRequesters, rolesOf } from '../domain/decide-approval.js';
import type { GovernanceMetrics } from '../governance.metrics.js';
import type { ApprovalsStore } from '../outbound/approvals.store.js';
import type { AuditStore } from '../outbound/audit.store.js';

const maxListed = 1_000;
const digestPattern = /^[0-9a-f]{12,64}$/;

/** What people are asked, and their votes. Each vote, and each that was refused, is an entry of the audit log. */
export class ApprovalsHandlers {
  constructor(
    private readonly store: ApprovalsStore,
    private readonly audit: AuditStore,
    private readonly metrics: GovernanceMetrics,
    private readonly onDecided: () => void,
  ) {}

  async list({ waitingOnly }: ListApprovalsRequest): Promise<ListApprovalsResponse> {
    return { approvals: (await this.store.list(waitingOnly, maxListed)).map(toApproval) };
  }

  async find(digests: readonly string[]): Promise<Approval[]> {
    return (await this.store.find(digests)).map(toApproval);
  }

  async decide(request: DecideApprovalRequest, { caller }: Pick<CallContext, 'caller'>): Promise<Approval> {
    if (!digestPattern.test(request.digest))
      throw new MillraceError(
        'invalid-argument',
        `digest: "${request.digest.slice(0, 100)}"; 12 to 64 characters of 0-9 and a-f, e.g. as ListApprovals has it`,
      );
    const vote = { ...request, voter: caller.name, roles: [...caller.roles], atMs: Date.now() };
    let asked: KeptApproval | undefined;
    try {
      const after = await this.store.vote(request.digest, (before) => {
        asked = before;
        const { approve, comment, voter, roles, atMs } = vote;
        const made = castVote(before, { approve, comment, voter, roles, atMs });
        return { after: made, event: voted(caller, made) };
      });
      this.decided(after, request.approve);
      return toApproval(after);
    } catch (error) {
      if (asked !== undefined && error instanceof MillraceError && error.code === 'permission-denied')
        await this.audit.append([refused(caller, asked, error)]);
      throw error;
    }
  }

  private decided({ state }: KeptApproval, approve: boolean): void {
    this.metrics.votes.inc({ vote: approve ? 'approve' : 'reject' });
    if (state === 'waiting') return;
    this.metrics.approvals.inc({ state });
    this.onDecided();
  }
}

function toApproval(approval: KeptApproval): Approval {
  const { digest, subject, content, contentJson, requestedMs, state, decidedMs, votes } = approval;
  return {
    digest,
    subject,
    policy: content.policies.map(({ name }) => name).join(', '),
    requestedBy: content.requesters.join(', for '),
    requestedMs,
    state,
    quorum: Math.max(...content.policies.map(({ quorum }) => quorum)),
    votes: [...votes],
    contentJson,
    roles: rolesOf(content),
    notRequester: refusesRequesters(content),
    decidedMs,
  };
}

function event({ name, roles }: Caller, { digest }: KeptApproval, rest: Partial<AuditEvent>): AuditEvent {
  return AuditEvent.fromPartial({
    eventId: randomUUID(),
    atMs: Date.now(),
    service: 'governance',
    actor: name,
    roles: [...roles],
    action: 'approve',
    resource: `approvals/${digest}`,
    method: 'DecideApproval',
    ...rest,
  });
}

function voted(caller: Caller, after: KeptApproval): AuditEvent {
  const { approve, comment } = after.votes.at(-1)!;
  const { subject, state, content } = after;
  const { endpoint, model, version } = content;
  const details = { subject, endpoint, model, version: version.number, onnxSha256: version.onnxSha256 };
  return event(caller, after, {
    decision: 'allow',
    outcome: 'ok',
    details: { ...details, vote: approve ? 'approve' : 'reject', comment, state },
  });
}

function refused(caller: Caller, asked: KeptApproval, { message }: MillraceError): AuditEvent {
  return event(caller, asked, { decision: 'deny', reason: message, details: { subject: asked.subject } });
}
