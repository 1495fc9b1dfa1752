import type { Pool, PoolClient } from 'pg';
import type { ApprovalVote, AuditEvent } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { openApprovalContent } from '#libs/definitions/approval-content.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { inTransaction } from '#libs/storage/postgres.js';
import type { ApprovalState, KeptApproval } from '../domain/decide-approval.js';
import type { AuditStore } from './audit.store.js';

interface ApprovalRow {
  digest: string;
  subject: string;
  content: Buffer;
  requested_at: Date;
  state: ApprovalState;
  decided_at: Date | null;
  votes: { voter: string; roles: string[]; approve: boolean; comment: string; atMs: number }[];
}

const selectApprovals = `SELECT a.*, coalesce((
    SELECT json_agg(json_build_object('voter', voter, 'roles', roles, 'approve', approve, 'comment', comment,
                                      'atMs', round(extract(epoch FROM voted_at) * 1000)) ORDER BY voted_at, voter)
    FROM votes v WHERE v.digest = a.digest), '[]') AS votes
  FROM approvals a`;

/** What is asked of people and what they said, in Postgres. The content is held against its digest whenever it is read: what was changed in the database decides nothing. */
export class ApprovalsStore {
  constructor(
    private readonly pool: Pool,
    private readonly audit: AuditStore,
  ) {}

  /** Keeps what is asked; known already = nothing. @returns whether it is new */
  async keep(digest: string, subject: string, content: Buffer, requestedMs: number): Promise<boolean> {
    const { rowCount } = await this.pool.query(
      `INSERT INTO approvals (digest, subject, content, requested_at, state) VALUES ($1, $2, $3, $4, 'waiting')
       ON CONFLICT (digest) DO NOTHING`,
      [digest, subject, content, new Date(requestedMs)],
    );
    return rowCount === 1;
  }

  /** What it was for has ended, or gone on: nobody is asked any more. @returns whether somebody was */
  async withdraw(subject: string): Promise<boolean> {
    const { rowCount } = await this.pool.query(
      "UPDATE approvals SET state = 'withdrawn' WHERE subject = $1 AND state = 'waiting'",
      [subject],
    );
    return (rowCount ?? 0) > 0;
  }

  /** Newest first. */
  list(waitingOnly: boolean, limit: number): Promise<KeptApproval[]> {
    const where = "WHERE NOT $1 OR state = 'waiting' ORDER BY requested_at DESC, digest LIMIT $2";
    return select(this.pool, where, [waitingOnly, limit]);
  }

  find(digests: readonly string[]): Promise<KeptApproval[]> {
    return select(this.pool, 'WHERE digest = ANY($1)', [digests]);
  }

  /**
   * One vote: what it makes of the approval, the vote and its audit entry become true together, after those before it.
   * @param prefix the digest's first characters, lower case hexadecimal
   * @param work from the approval as it is to what it becomes, with the one vote more; its throw changes nothing
   * @throws MillraceError not-found, invalid-argument when several begin so
   */
  vote(
    prefix: string,
    work: (approval: KeptApproval) => { readonly after: KeptApproval; readonly event: AuditEvent },
  ): Promise<KeptApproval> {
    return inTransaction(this.pool, async (client) => {
      const { after, event } = work(await lockOne(client, prefix));
      await insertVote(client, after.digest, after.votes.at(-1)!);
      if (after.decidedMs > 0)
        await client.query('UPDATE approvals SET state = $2, decided_at = $3 WHERE digest = $1', [
          after.digest,
          after.state,
          new Date(after.decidedMs),
        ]);
      await this.audit.appendIn(client, [event]);
      return after;
    });
  }

  /** Decided, and not known to be published; oldest first. */
  unpublished(limit: number): Promise<KeptApproval[]> {
    const where = "WHERE NOT published AND state IN ('approved', 'rejected') ORDER BY decided_at LIMIT $1";
    return select(this.pool, where, [limit]);
  }

  async setPublished(digest: string): Promise<void> {
    await this.pool.query('UPDATE approvals SET published = true WHERE digest = $1', [digest]);
  }
}

async function lockOne(client: PoolClient, prefix: string): Promise<KeptApproval> {
  const found = await client.query<{ digest: string }>(
    'SELECT digest FROM approvals WHERE starts_with(digest, $1) LIMIT 2 FOR UPDATE',
    [prefix],
  );
  if (found.rows.length === 0) throw new MillraceError('not-found', `digest: there is no approval ${prefix}`);
  if (found.rows.length > 1)
    throw new MillraceError('invalid-argument', `digest: several approvals begin with ${prefix}; give more of it`);
  const [approval] = await select(client, 'WHERE digest = $1', [found.rows[0]!.digest]);
  return approval!;
}

async function insertVote(client: PoolClient, digest: string, vote: ApprovalVote): Promise<void> {
  const { voter, roles, approve, comment, atMs } = vote;
  await client.query(
    'INSERT INTO votes (digest, voter, roles, approve, comment, voted_at) VALUES ($1, $2, $3, $4, $5, $6)',
    [digest, voter, roles, approve, comment, new Date(atMs)],
  );
}

function contentOf({ content, digest }: ApprovalRow) {
  try {
    return openApprovalContent(content, digest);
  } catch (error) {
    throw new MillraceError('internal', `approval ${digest}: what is asked was changed in the database`, {
      cause: error,
    });
  }
}

async function select(from: Pick<Pool, 'query'>, where: string, values: unknown[]): Promise<KeptApproval[]> {
  const { rows } = await from.query<ApprovalRow>(`${selectApprovals} ${where}`, values);
  return rows.map((row) => ({
    digest: row.digest,
    subject: row.subject,
    content: contentOf(row),
    contentJson: row.content,
    requestedMs: row.requested_at.getTime(),
    state: row.state,
    decidedMs: row.decided_at?.getTime() ?? 0,
    votes: row.votes,
  }));
}
