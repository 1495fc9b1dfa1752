import { Controller, Get, Inject, Post, Query, Req, Res } from '@nestjs/common';
import type { Response } from 'express';
import type { AuthenticatedRequest } from '#libs/boot/http-edge.js';
import type { AuditEntry, TreeHead } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { errorMessage, MillraceError } from '#libs/errors/millrace-error.js';
import { openCheckpoint, publicKeyOf } from '#libs/merkle/checkpoint.js';
import type { AuditEntryView, AuditPageView, ProofView, TreeHeadView, VerifiedView } from '../../views/audit.view.js';
import { MeshPeers } from '../outbound/mesh-peers.client.js';
import { wholeNumber } from './numbers.js';

const onePage = 50;
/** Reads the whole log: a million entries take some ten seconds. */
const verifyMs = 60_000;

/** What the Audit page asks. */
@Controller('api/audit')
export class AuditApi {
  constructor(@Inject(MeshPeers) private readonly peers: MeshPeers) {}

  /** 50 entries, newest first; `from` counts back from the end. */
  @Get('entries')
  async entries(@Req() request: AuthenticatedRequest, @Query() query: Record<string, unknown>): Promise<AuditPageView> {
    const text = (name: string): string => (typeof query[name] === 'string' ? query[name] : '');
    const asked = {
      fromIndex: wholeNumber('from', query['from'], 0),
      limit: onePage,
      newestFirst: true,
      actor: text('actor'),
      decision: text('decision'),
      resourcePrefix: text('resource'),
    };
    const { entries, size } = await this.peers.as(request).ask('governance', (stub) => stub.listAuditEntries, asked);
    return { size, entries: entries.map(toView) };
  }

  /** The newest signed head; null = nothing was ever recorded. */
  @Get('head')
  async head(@Req() request: AuthenticatedRequest, @Res() response: Response): Promise<void> {
    try {
      const head = await this.peers.as(request).ask('governance', (stub) => stub.getTreeHead, { size: 0 });
      response.json(toHead(head));
    } catch (error) {
      if (!(error instanceof MillraceError) || error.code !== 'not-found') throw error;
      response.json(null);
    }
  }

  @Post('verify')
  async verify(@Req() request: AuthenticatedRequest): Promise<VerifiedView> {
    return this.peers.as(request).ask('governance', (stub) => stub.verifyAudit, {}, verifyMs);
  }

  /** What a browser needs to recompute the root from one entry. */
  @Get('proof')
  async proof(@Req() request: AuthenticatedRequest, @Query('index') given: unknown): Promise<ProofView> {
    const index = wholeNumber('index', given, 0);
    const mesh = this.peers.as(request);
    const listed = { fromIndex: index, limit: 1, newestFirst: false, actor: '', decision: '', resourcePrefix: '' };
    const [{ entries }, { path, size, root, leafHash }] = await Promise.all([
      mesh.ask('governance', (stub) => stub.listAuditEntries, listed),
      mesh.ask('governance', (stub) => stub.getInclusionProof, { index, size: 0 }),
    ]);
    const entry = entries.find((one) => one.index === index);
    if (entry === undefined) throw new MillraceError('not-found', `entry ${index} is not there, and the tree has it`);
    const hex = (hash: Buffer): string => hash.toString('hex');
    const leaf = entry.leaf.toString('utf8');
    return { index, size, leaf, leafHash: hex(leafHash), path: path.map(hex), root: hex(root) };
  }
}

function toView({ index, event }: AuditEntry): AuditEntryView {
  const { atMs, service, actor, roles, action, resource, method, decision, reason, outcome, details } =
    event ?? nothing;
  const said = { atMs, service, actor, roles, action, resource, method, decision, reason, outcome, details };
  return { index, ...said, unreadable: event === undefined };
}

const nothing = {
  atMs: 0,
  service: '',
  actor: '',
  roles: [],
  action: '',
  resource: '',
  method: '',
  decision: '',
  reason: 'these bytes are no audit event',
  outcome: '',
  details: {},
};

function toHead({ size, root, signedMs, checkpoint, publicKey }: TreeHead): TreeHeadView {
  const problem = problemOf({ size, root, checkpoint, publicKey });
  return { size, root: root.toString('hex'), signedMs, checkpoint, publicKey, problem };
}

function problemOf(head: Pick<TreeHead, 'size' | 'root' | 'checkpoint' | 'publicKey'>): string {
  try {
    const said = openCheckpoint(head.checkpoint, publicKeyOf(Buffer.from(head.publicKey, 'base64')));
    return said.size === head.size && said.root.equals(head.root) ? '' : 'it was signed over another size or root';
  } catch (error) {
    // A signature that does not hold is what a person looks for here, and no failure of the page.
    return errorMessage(error);
  }
}
