import type { KeyObject } from 'node:crypto';
import {
  type AuditEntry,
  type GetConsistencyProofRequest,
  type GetInclusionProofRequest,
  type GetTreeHeadRequest,
  GovernanceService,
  type ListAuditEntriesRequest,
  type ListAuditEntriesResponse,
  type Proof,
  type TreeHead,
} from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { rawPublicKey } from '#libs/merkle/checkpoint.js';
import { consistencyPath, inclusionPath } from '#libs/merkle/merkle-tree.js';
import { type GrpcServer, handle } from '#libs/rpc/grpc-server.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { eventIn } from '../domain/audit-leaf.js';
import type { StoredEntry } from '../domain/audit-verifier.js';
import { readAudit } from '../outbound/audit-reader.store.js';
import type { AuditStore, SignedHead } from '../outbound/audit.store.js';
import type { ApprovalsHandlers } from './approvals.handlers.js';
import type { TraceHandlers } from './trace.handlers.js';
import { verifyAudit } from './verify-audit.js';

const [defaultLimit, maxLimit] = [50, 1_000];

export class GovernanceGrpc {
  private readonly publicKey: Buffer;

  constructor(
    private readonly store: AuditStore,
    private readonly key: KeyObject,
    private readonly traces: TraceHandlers,
    private readonly approvals: ApprovalsHandlers,
  ) {
    this.publicKey = rawPublicKey(key);
  }

  serve(server: GrpcServer): void {
    server.addService(GovernanceService, {
      listAuditEntries: handle.unary(this.list.bind(this)),
      getTreeHead: handle.unary(this.treeHead.bind(this)),
      getInclusionProof: handle.unary(this.inclusionProof.bind(this)),
      getConsistencyProof: handle.unary(this.consistencyProof.bind(this)),
      verifyAudit: handle.unary(() => verifyAudit(this.store.pool, this.key)),
      listApprovals: handle.unary(this.approvals.list.bind(this.approvals)),
      decideApproval: handle.unary(this.approvals.decide.bind(this.approvals)),
      tracePrediction: handle.unary(this.traces.trace.bind(this.traces)),
    });
    server.addReflection('millrace/governance/v1/governance.proto', `${projectRoot()}/proto`);
  }

  async list(request: ListAuditEntriesRequest): Promise<ListAuditEntriesResponse> {
    if (request.limit > maxLimit)
      throw new MillraceError('invalid-argument', `limit: ${request.limit} is over ${maxLimit}`);
    return readAudit(this.store.pool, async (log) => {
      const size = await log.size();
      const entries = await log.list(request, request.limit || defaultLimit, size);
      return { entries: entries.map(toEntry), size };
    });
  }

  async treeHead({ size }: GetTreeHeadRequest): Promise<TreeHead> {
    const { root, signedMs, checkpoint, size: found } = await this.headOf(size);
    return { size: found, root, signedMs, checkpoint, publicKey: this.publicKey.toString('base64') };
  }

  async inclusionProof({ index, size: wanted }: GetInclusionProofRequest): Promise<Proof> {
    const size = await this.sizeOf(wanted, 'size');
    if (index >= size)
      throw new MillraceError(
        'invalid-argument',
        `index: ${index} is not in a tree of size ${size}; the last is ${size - 1}`,
      );
    const ranges = [{ begin: index, end: index + 1 }, { begin: 0, end: size }, ...inclusionPath(index, size)];
    const [leafHash, root, ...path] = await this.store.hashes(ranges);
    return { path, size, root: root!, leafHash: leafHash! };
  }

  async consistencyProof({ first, second: wanted }: GetConsistencyProofRequest): Promise<Proof> {
    const second = await this.sizeOf(wanted, 'second');
    if (first < 1 || first > second)
      throw new MillraceError('invalid-argument', `first: ${first} has to be from 1 to second, which is ${second}`);
    const [root, ...path] = await this.store.hashes([{ begin: 0, end: second }, ...consistencyPath(first, second)]);
    return { path, size: second, root: root!, leafHash: Buffer.alloc(0) };
  }

  /** 0 = the newest head's; a size beyond it is no tree yet. */
  private async sizeOf(wanted: number, field: string): Promise<number> {
    const { size } = await this.headOf(0);
    if (wanted > size)
      throw new MillraceError('invalid-argument', `${field}: ${wanted} is over the newest signed head's size, ${size}`);
    return wanted || size;
  }

  private async headOf(size: number): Promise<SignedHead> {
    const head = await this.store.head(size || undefined);
    if (head !== undefined) return head;
    const message =
      size === 0 ? 'nothing was recorded yet: there is no signed head' : `size: no head of size ${size} was signed`;
    throw new MillraceError('not-found', message);
  }
}

/** What is answered is what was hashed. Bytes that were edited into something that is no event are answered without one. */
function toEntry({ index, leaf, leafHash }: StoredEntry): AuditEntry {
  try {
    return { index, event: eventIn(leaf), leaf, leafHash };
  } catch {
    // VerifyAudit names this entry; the list shows the bytes.
    return { index, event: undefined, leaf, leafHash };
  }
}
