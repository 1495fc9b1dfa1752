import { createHash } from 'node:crypto';
import type { Pool, PoolClient } from 'pg';
import { digestOf } from '#libs/definitions/canonical-json.js';
import { inTransaction } from '#libs/storage/postgres.js';
import { readSql } from '#libs/storage/sql-file.js';
import { eventMs, type LineageRun, mergeFacets, newRun, runAfter, type RunState } from '../domain/lineage-graph.js';
import type { Facets, LineageEvent, NamedEntity } from '../domain/lineage-event.js';

/** Serialises recording: what is known of a run is read, and written again. */
const recordLock = 7_209;

/** An event, and the very JSON in which it came. */
export interface ReceivedEvent {
  readonly event: LineageEvent;
  readonly text: string;
}

/** Postgres database `governance`: the events, and the graph that follows from them. */
export class LineageStore {
  constructor(readonly pool: Pool) {}

  async createTables(): Promise<void> {
    await this.locked(async (client) => void (await client.query(readSql('services/governance/sql/lineage.sql'))));
  }

  /** Records those that are new, with what follows from them; one transaction. @returns how many were new */
  record(received: readonly ReceivedEvent[]): Promise<number> {
    return this.locked(async (client) => {
      let added = 0;
      for (const one of received) {
        if (!(await addEvent(client, one))) continue;
        added += 1;
        await addToGraph(client, one.event);
      }
      return added;
    });
  }

  private locked<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    return inTransaction(this.pool, async (client) => {
      await client.query('SELECT pg_advisory_xact_lock($1)', [recordLock]);
      return work(client);
    });
  }
}

/** Both parts may be longer than an index takes; neither holds U+0000. */
export function entityId({ namespace, name }: Omit<NamedEntity, 'facets'>): Buffer {
  return createHash('sha256').update(`${namespace}\0${name}`).digest();
}

/** @returns false = it is there already */
async function addEvent(client: PoolClient, { event, text }: ReceivedEvent): Promise<boolean> {
  const { rowCount } = await client.query(
    `INSERT INTO lineage_events (digest, event_time, run_id, event) VALUES ($1, $2, $3, $4) ON CONFLICT (digest) DO NOTHING`,
    [Buffer.from(digestOf(event), 'hex'), new Date(eventMs(event)), event.run?.runId ?? null, text],
  );
  return rowCount === 1;
}

async function addToGraph(client: PoolClient, event: LineageEvent): Promise<void> {
  if (event.dataset !== undefined) await upsertEntity(client, 'lineage_datasets', event.dataset);
  if (event.job === undefined) return;
  const job = await upsertEntity(client, 'lineage_jobs', event.job);
  for (const [direction, datasets] of [
    ['input', event.inputs ?? []],
    ['output', event.outputs ?? []],
  ] as const)
    for (const one of datasets) {
      const dataset = await upsertEntity(client, 'lineage_datasets', one);
      await client.query(
        'INSERT INTO lineage_edges (job, dataset, direction) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
        [job, dataset, direction],
      );
    }
  if (event.run !== undefined) await upsertRun(client, event.run.runId, job, event);
}

async function upsertEntity(
  client: PoolClient,
  table: 'lineage_jobs' | 'lineage_datasets',
  entity: NamedEntity,
): Promise<Buffer> {
  const id = entityId(entity);
  const { rows } = await client.query<{ facets: string }>(`SELECT facets FROM ${table} WHERE id = $1`, [id]);
  const facets = mergeFacets(JSON.parse(rows[0]?.facets ?? '{}') as Facets, entity.facets);
  await client.query(
    `INSERT INTO ${table} (id, namespace, name, facets) VALUES ($1, $2, $3, $4)
     ON CONFLICT (id) DO UPDATE SET facets = excluded.facets, updated_at = now()`,
    [id, entity.namespace, entity.name, JSON.stringify(facets)],
  );
  return id;
}

async function upsertRun(client: PoolClient, runId: string, job: Buffer, event: LineageEvent): Promise<void> {
  const before = await readRun(client, runId);
  const { state, startedMs, endedMs, facets } = runAfter(before ?? newRun, event);
  await client.query(
    `INSERT INTO lineage_runs (run_id, job, state, started_ms, ended_ms, facets) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (run_id) DO UPDATE SET state = excluded.state, started_ms = excluded.started_ms, ended_ms = excluded.ended_ms,
       facets = excluded.facets, updated_at = now()`,
    [runId, job, state, startedMs ?? null, endedMs ?? null, JSON.stringify(facets)],
  );
  if (before === undefined) await client.query('UPDATE lineage_jobs SET latest_run = $2 WHERE id = $1', [job, runId]);
}

async function readRun(client: PoolClient, runId: string): Promise<LineageRun | undefined> {
  const { rows } = await client.query<{
    state: RunState;
    started_ms: number | null;
    ended_ms: number | null;
    facets: string;
  }>('SELECT state, started_ms, ended_ms, facets FROM lineage_runs WHERE run_id = $1', [runId]);
  const [row] = rows;
  if (row === undefined) return undefined;
  return {
    state: row.state,
    startedMs: row.started_ms ?? undefined,
    endedMs: row.ended_ms ?? undefined,
    facets: JSON.parse(row.facets) as Facets,
  };
}
