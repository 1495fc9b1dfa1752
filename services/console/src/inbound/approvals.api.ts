import { createHash } from 'node:crypto';
import { Controller, Get, HttpCode, Inject, Post, Req } from '@nestjs/common';
import type { AuthenticatedRequest } from '#libs/boot/http-edge.js';
import type { Approval } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { ApprovalView } from '../../views/approvals.view.js';
import { MeshPeers } from '../outbound/mesh-peers.client.js';
import { bodyText } from './query-values.js';
import { readJson } from './read-json.js';

/** What the Approvals page asks, and decides. */
@Controller('api/approvals')
export class ApprovalsApi {
  constructor(@Inject(MeshPeers) private readonly peers: MeshPeers) {}

  /** Newest first. */
  @Get()
  async approvals(@Req() request: AuthenticatedRequest): Promise<ApprovalView[]> {
    const asked = { waitingOnly: false };
    const { approvals } = await this.peers.as(request).ask('governance', (stub) => stub.listApprovals, asked);
    return approvals.map(approvalView);
  }

  /** `{digest, approve, comment}`; the digest whole, so that what was read is what is approved. */
  @Post('decide')
  @HttpCode(200)
  async decide(@Req() request: AuthenticatedRequest): Promise<ApprovalView> {
    const body = await readJson(request);
    const { approve } = body;
    if (typeof approve !== 'boolean') throw new MillraceError('invalid-argument', 'approve: must be true or false');
    const digest = bodyText(body, 'digest');
    if (!/^[0-9a-f]{64}$/.test(digest))
      throw new MillraceError('invalid-argument', `digest: "${digest.slice(0, 80)}" is not 64 hexadecimal digits`);
    const asked = { digest, approve, comment: bodyText(body, 'comment') };
    return approvalView(await this.peers.as(request).ask('governance', (stub) => stub.decideApproval, asked));
  }
}

function approvalView({ contentJson, votes, ...one }: Approval): ApprovalView {
  const { digest, subject, policy, requestedBy, requestedMs, state, quorum, roles, notRequester, decidedMs } = one;
  return {
    digest,
    subject,
    policy,
    requestedBy,
    requestedMs,
    state,
    quorum,
    roles,
    notRequester,
    votes: votes.map(({ voter, roles, approve, comment, atMs }) => ({ voter, roles, approve, comment, atMs })),
    content: contentJson.toString('utf8'),
    contentMatches: createHash('sha256').update(contentJson).digest('hex') === digest,
    decidedMs,
  };
}
