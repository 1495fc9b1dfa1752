import type { Pool, PoolClient } from 'pg';
import type { ListAuditEntriesRequest } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import type { Hash } from '#libs/merkle/merkle-tree.js';
import { inTransaction } from '#libs/storage/postgres.js';
import type { StoredEntry } from '../domain/audit-verifier.js';

interface EntryRow {
  index: string;
  leaf: Buffer;
  leaf_hash: Buffer;
}

/** One state of the log: all of it as it was at one moment. */
export class AuditSnapshot {
  constructor(private readonly client: PoolClient) {}

  async size(): Promise<number> {
    const { rows } = await this.client.query<{ size: string }>(
      'SELECT coalesce(max(index) + 1, 0) AS size FROM entries',
    );
    return Number(rows[0]!.size);
  }

  /** How many entries there are; fewer than `size` where some were removed. */
  async count(): Promise<number> {
    const { rows } = await this.client.query<{ count: string }>('SELECT count(*) AS count FROM entries');
    return Number(rows[0]!.count);
  }

  /** The newest head's size; 0 = nothing was signed yet. */
  async signedSize(): Promise<number> {
    const { rows } = await this.client.query<{ size: string }>('SELECT coalesce(max(size), 0) AS size FROM heads');
    return Number(rows[0]!.size);
  }

  /** What was done about exactly these resources, newest first. */
  async about(resources: readonly string[], limit: number): Promise<StoredEntry[]> {
    const { rows } = await this.client.query<EntryRow>(
      `SELECT index, leaf, leaf_hash FROM entries
       WHERE resource = ANY($1) AND decision != 'deny' ORDER BY index DESC LIMIT $2`,
      [resources, limit],
    );
    return rows.map(toEntry);
  }

  async heads(): Promise<{ size: number; root: Buffer; checkpoint: string }[]> {
    const { rows } = await this.client.query<{ size: string; root: Buffer; checkpoint: string }>(
      'SELECT size, root, checkpoint FROM heads ORDER BY size',
    );
    return rows.map((row) => ({ ...row, size: Number(row.size) }));
  }

  /** Those of [begin, end) that are there. */
  async entries(begin: number, end: number): Promise<Map<number, StoredEntry>> {
    const { rows } = await this.client.query<EntryRow>(
      'SELECT index, leaf, leaf_hash FROM entries WHERE index >= $1 AND index < $2',
      [begin, end],
    );
    return new Map(rows.map((row) => [Number(row.index), toEntry(row)]));
  }

  /** Those subtrees, by `<level>/<index>`, whose last entry is one of [begin, end). */
  async subtrees(begin: number, end: number): Promise<Map<string, Hash>> {
    const levels = Array.from({ length: Math.floor(Math.log2(Math.max(1, end))) + 1 }, (_, level) => level);
    const bound = (at: number) => levels.map((level) => Math.floor(at / 2 ** level));
    const { rows } = await this.client.query<{ level: number; index: string; hash: Buffer }>(
      `SELECT s.* FROM unnest($1::integer[], $2::bigint[], $3::bigint[]) AS part (level, first, last)
       JOIN subtrees s ON s.level = part.level AND s.index >= part.first AND s.index < part.last`,
      [levels, bound(begin), bound(end)],
    );
    return new Map(rows.map(({ level, index, hash }) => [`${level}/${index}`, hash]));
  }

  /** @param limit at least 1 */
  async list(request: ListAuditEntriesRequest, limit: number, size: number): Promise<StoredEntry[]> {
    const { fromIndex, newestFirst, actor, decision, resourcePrefix } = request;
    const { rows } = await this.client.query<EntryRow>(
      `SELECT index, leaf, leaf_hash FROM entries
       WHERE index BETWEEN $1 AND $2 AND ($3 = '' OR actor = $3) AND ($4 = '' OR decision = $4) AND starts_with(resource, $5)
       ORDER BY index ${newestFirst ? 'DESC' : 'ASC'} LIMIT $6`,
      [newestFirst ? 0 : fromIndex, newestFirst ? size - 1 - fromIndex : size, actor, decision, resourcePrefix, limit],
    );
    return rows.map(toEntry);
  }
}

export function readAudit<T>(pool: Pool, work: (snapshot: AuditSnapshot) => Promise<T>): Promise<T> {
  return inTransaction(pool, async (client) => {
    await client.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
    return work(new AuditSnapshot(client));
  });
}

function toEntry({ index, leaf, leaf_hash: leafHash }: EntryRow): StoredEntry {
  return { index: Number(index), leaf, leafHash };
}
