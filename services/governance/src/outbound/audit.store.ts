import { type KeyObject } from 'node:crypto';
import type { Pool, PoolClient } from 'pg';
import type { AuditEvent } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { signCheckpoint } from '#libs/merkle/checkpoint.js';
import {
  CompactRange,
  foldSubtrees,
  type Hash,
  hashLeaf,
  type LeafRange,
  type NodeId,
  subtreesOf,
  type TreeNode,
} from '#libs/merkle/merkle-tree.js';
import { inTransaction } from '#libs/storage/postgres.js';
import { readSql } from '#libs/storage/sql-file.js';
import { leafOf } from '../domain/audit-leaf.js';

/** Serialises appending: an index is given once. */
const appendLock = 7_109;
/** Name of the log in its checkpoints. */
export const auditOrigin = 'millrace/audit';

export interface SignedHead {
  readonly size: number;
  readonly root: Hash;
  readonly signedMs: number;
  readonly checkpoint: string;
}

interface NewEntry {
  readonly event: AuditEvent;
  readonly index: number;
  readonly leaf: Buffer;
  readonly hash: Hash;
}

/** Postgres database `governance`: the entries, the tree over them, its signed heads. */
export class AuditStore {
  constructor(
    readonly pool: Pool,
    private readonly key: KeyObject,
  ) {}

  async createTables(): Promise<void> {
    await inTransaction(this.pool, async (client) => {
      await client.query('SELECT pg_advisory_xact_lock($1)', [appendLock]);
      await client.query(readSql('services/governance/sql/schema.sql'));
    });
  }

  /**
   * Adds those events whose ids are new, in order, and signs a head over them; one transaction.
   * The log goes on from its newest head: where entries under it were removed, their numbers stay theirs.
   * @returns how many were new
   */
  append(events: readonly AuditEvent[]): Promise<number> {
    return inTransaction(this.pool, (client) => this.appendIn(client, events));
  }

  /** The same within a transaction of something else that is done: the entry is there when, and only when, it is. */
  async appendIn(client: PoolClient, events: readonly AuditEvent[]): Promise<number> {
    await client.query('SELECT pg_advisory_xact_lock($1)', [appendLock]);
    const fresh = await withoutKnown(client, events);
    if (fresh.length === 0) return 0;
    const tree = await openTree(client);
    const nodes: TreeNode[] = [];
    const entries = fresh.map((event): NewEntry => {
      const leaf = leafOf(event);
      const entry = { event, index: tree.size, leaf, hash: hashLeaf(leaf) };
      nodes.push(...tree.append(entry.hash));
      return entry;
    });
    await insertEntries(client, entries);
    await insertSubtrees(client, nodes);
    await this.insertHead(client, tree.size, tree.root());
    return fresh.length;
  }

  /** @param size undefined = the newest; of a head that was never signed there is none */
  async head(size?: number): Promise<SignedHead | undefined> {
    const { rows } = await this.pool.query<{ size: string; root: Buffer; signed_at: Date; checkpoint: string }>(
      'SELECT * FROM heads WHERE $1::bigint IS NULL OR size = $1 ORDER BY size DESC LIMIT 1',
      [size ?? null],
    );
    return rows[0] && { ...rows[0], size: Number(rows[0].size), signedMs: rows[0].signed_at.getTime() };
  }

  /** The hash of each range, from the stored subtrees. */
  async hashes(ranges: readonly LeafRange[]): Promise<Hash[]> {
    const parts = ranges.map(subtreesOf);
    const found = await readSubtrees(this.pool, parts.flat());
    return parts.map((ids) => foldSubtrees(ids.map((id) => hashOf(found, id))));
  }

  private async insertHead(client: PoolClient, size: number, root: Hash): Promise<void> {
    const checkpoint = signCheckpoint({ origin: auditOrigin, size, root }, this.key);
    await client.query('INSERT INTO heads (size, root, signed_at, checkpoint) VALUES ($1, $2, now(), $3)', [
      size,
      root,
      checkpoint,
    ]);
  }
}

async function withoutKnown(client: PoolClient, events: readonly AuditEvent[]): Promise<AuditEvent[]> {
  const byId = new Map(events.toReversed().map((event) => [event.eventId, event]));
  const { rows } = await client.query<{ event_id: string }>('SELECT event_id FROM entries WHERE event_id = ANY($1)', [
    [...byId.keys()],
  ]);
  for (const { event_id: known } of rows) byId.delete(known);
  return events.filter((event) => byId.get(event.eventId) === event);
}

async function openTree(client: PoolClient): Promise<CompactRange> {
  const { rows } = await client.query<{ size: string }>('SELECT coalesce(max(size), 0) AS size FROM heads');
  const size = Number(rows[0]!.size);
  const ids = subtreesOf({ begin: 0, end: size });
  const found = await readSubtrees(client, ids);
  return new CompactRange(
    size,
    ids.map((id) => ({ ...id, hash: hashOf(found, id) })),
  );
}

async function readSubtrees(client: Pick<Pool, 'query'>, ids: readonly NodeId[]): Promise<Map<string, Hash>> {
  const { rows } = await client.query<{ level: number; index: string; hash: Buffer }>(
    'SELECT s.* FROM unnest($1::integer[], $2::bigint[]) AS wanted (level, index) JOIN subtrees s USING (level, index)',
    [ids.map(({ level }) => level), ids.map(({ index }) => index)],
  );
  return new Map(rows.map(({ level, index, hash }) => [`${level}/${index}`, hash]));
}

function hashOf(found: ReadonlyMap<string, Hash>, { level, index }: NodeId): Hash {
  const hash = found.get(`${level}/${index}`);
  if (hash === undefined)
    throw new Error(`the audit log's subtree ${level}/${index} is not in Postgres: it was removed`);
  return hash;
}

async function insertEntries(client: PoolClient, entries: readonly NewEntry[]): Promise<void> {
  const column = (read: (entry: NewEntry) => unknown) => entries.map(read);
  await client.query(
    `INSERT INTO entries (index, event_id, leaf, leaf_hash, actor, decision, resource)
     SELECT * FROM unnest($1::bigint[], $2::text[], $3::bytea[], $4::bytea[], $5::text[], $6::text[], $7::text[])`,
    [
      column(({ index }) => index),
      column(({ event }) => event.eventId),
      column(({ leaf }) => leaf),
      column(({ hash }) => hash),
      column(({ event }) => withoutNul(event.actor)),
      column(({ event }) => withoutNul(event.decision)),
      column(({ event }) => withoutNul(event.resource)),
    ],
  );
}

async function insertSubtrees(client: PoolClient, nodes: readonly TreeNode[]): Promise<void> {
  await client.query(
    'INSERT INTO subtrees (level, index, hash) SELECT * FROM unnest($1::integer[], $2::bigint[], $3::bytea[])',
    [nodes.map(({ level }) => level), nodes.map(({ index }) => index), nodes.map(({ hash }) => hash)],
  );
}

/** Postgres text holds no U+0000; the leaf keeps it. */
function withoutNul(text: string): string {
  return text.replaceAll('\0', '\uFFFD');
}
