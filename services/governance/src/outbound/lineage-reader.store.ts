import type { Pool, PoolClient } from 'pg';
import { inTransaction } from '#libs/storage/postgres.js';
import { type NamedEntity, nodeId, readNodeId } from '../domain/lineage-event.js';
import { entityId } from './lineage.store.js';

const maxNodes = 2_000;
/** Of the events of one answer; one event is always given. */
const maxAnswerBytes = 16 * 1024 * 1024;

export interface Page {
  readonly limit: number;
  readonly offset: number;
}

export interface EventsQuestion extends Page {
  /** Event time, epoch ms; `after` counts in. */
  readonly afterMs: number;
  readonly beforeMs: number;
  readonly newestFirst: boolean;
}

interface EntityRow {
  readonly id: Buffer;
  readonly namespace: string;
  readonly name: string;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly facets: string;
  /** Of jobs only. */
  readonly latest_run?: string | null;
}

interface RunRow {
  readonly run_id: string;
  readonly namespace: string;
  readonly name: string;
  readonly state: string;
  readonly started_ms: number | null;
  readonly ended_ms: number | null;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly facets: string;
}

interface Edge {
  readonly job: Buffer;
  readonly dataset: Buffer;
  readonly direction: 'input' | 'output';
}

const tables = { job: 'lineage_jobs', dataset: 'lineage_datasets' } as const;
const selectRun = `SELECT r.*, j.namespace, j.name FROM lineage_runs r JOIN lineage_jobs j ON j.id = r.job`;

/** What is known, in the shapes of Marquez' API. */
export class LineageReader {
  constructor(private readonly pool: Pool) {}

  /** The JSON of each event as it came; those of one answer have at most 16 MiB together. */
  async events(asked: EventsQuestion): Promise<{ events: string[]; totalCount: number }> {
    const { afterMs, beforeMs, newestFirst, limit, offset } = asked;
    const bounds = [new Date(afterMs), new Date(beforeMs)];
    const order = newestFirst ? 'DESC' : 'ASC';
    return this.atOneMoment(async (client) => {
      const found = await client.query<{ event: string }>(
        `SELECT event FROM (
           SELECT event, row_number() OVER w AS place, sum(octet_length(event)) OVER w AS bytes FROM (
             SELECT seq, event_time, event FROM lineage_events WHERE event_time >= $1 AND event_time < $2
             ORDER BY event_time ${order}, seq ${order} LIMIT $3 OFFSET $4) page
           WINDOW w AS (ORDER BY event_time ${order}, seq ${order})) sized
         WHERE place = 1 OR bytes <= $5 ORDER BY place`,
        [...bounds, limit, offset, maxAnswerBytes],
      );
      const counted = await client.query<{ n: string }>(
        'SELECT count(*) AS n FROM lineage_events WHERE event_time >= $1 AND event_time < $2',
        bounds,
      );
      return { events: found.rows.map(({ event }) => event), totalCount: Number(counted.rows[0]!.n) };
    });
  }

  async namespaces({ limit, offset }: Page): Promise<object[]> {
    const { rows } = await this.pool.query<{ namespace: string; created: Date; updated: Date }>(
      `SELECT namespace, min(created_at) AS created, max(updated_at) AS updated FROM (
         SELECT namespace, created_at, updated_at FROM lineage_jobs UNION ALL
         SELECT namespace, created_at, updated_at FROM lineage_datasets) entities
       GROUP BY namespace ORDER BY namespace LIMIT $1 OFFSET $2`,
      [limit, offset],
    );
    return rows.map(({ namespace, created, updated }) => ({
      name: namespace,
      createdAt: created.toISOString(),
      updatedAt: updated.toISOString(),
      ownerName: null,
      description: null,
      isHidden: false,
    }));
  }

  /** By name. */
  async entities(
    type: 'job' | 'dataset',
    namespace: string,
    page: Page,
  ): Promise<{ found: object[]; totalCount: number }> {
    const { rows, totalCount } = await this.atOneMoment(async (client) => {
      const found = await client.query<EntityRow>(
        `SELECT * FROM ${tables[type]} WHERE namespace = $1 ORDER BY name LIMIT $2 OFFSET $3`,
        [namespace, page.limit, page.offset],
      );
      const count = `SELECT count(*) AS n FROM ${tables[type]} WHERE namespace = $1`;
      const counted = await client.query<{ n: string }>(count, [namespace]);
      return { rows: found.rows, totalCount: Number(counted.rows[0]!.n) };
    });
    return { found: await this.describe(type, rows), totalCount };
  }

  /** A page and how many there are belong together. */
  private atOneMoment<T>(read: (client: PoolClient) => Promise<T>): Promise<T> {
    return inTransaction(this.pool, async (client) => {
      await client.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
      return read(client);
    });
  }

  /** @param runId a UUID */
  async run(runId: string): Promise<object | undefined> {
    const { rows } = await this.pool.query<RunRow>(`${selectRun} WHERE r.run_id = $1`, [runId]);
    return rows[0] && describeRun(rows[0]);
  }

  /**
   * What is upstream and downstream of a node, at most `depth` edges away, and of a very large neighbourhood the nearest 2,000 nodes.
   * @returns undefined = there is no such node
   */
  async graph(id: string, depth: number): Promise<object[] | undefined> {
    const start = await this.find(id);
    if (start === undefined) return undefined;
    const seen = { job: new Map<string, Buffer>(), dataset: new Map<string, Buffer>() };
    seen[start.type].set(start.id.toString('hex'), start.id);
    const edges = new Map<string, Edge>();
    let frontier = [start.id];
    for (let level = 0; level < depth && frontier.length > 0; level += 1) {
      const found = await this.edgesAt(frontier);
      frontier = [];
      for (const edge of found) {
        const [job, dataset] = [edge.job.toString('hex'), edge.dataset.toString('hex')];
        for (const [type, key, value] of [
          ['job', job, edge.job],
          ['dataset', dataset, edge.dataset],
        ] as const)
          if (!seen[type].has(key) && seen.job.size + seen.dataset.size < maxNodes) {
            seen[type].set(key, value);
            frontier.push(value);
          }
        if (seen.job.has(job) && seen.dataset.has(dataset)) edges.set(`${job}${dataset}${edge.direction}`, edge);
      }
    }
    return this.nodes(seen, [...edges.values()]);
  }

  private async find(id: string): Promise<{ type: 'job' | 'dataset'; id: Buffer } | undefined> {
    for (const candidate of readNodeId(id)) {
      const key = entityId(candidate);
      const { rowCount } = await this.pool.query(`SELECT 1 FROM ${tables[candidate.type]} WHERE id = $1`, [key]);
      if (rowCount === 1) return { type: candidate.type, id: key };
    }
    return undefined;
  }

  private async edgesAt(ids: readonly Buffer[]): Promise<Edge[]> {
    const { rows } = await this.pool.query<Edge>(
      'SELECT * FROM lineage_edges WHERE job = ANY($1) OR dataset = ANY($1) LIMIT $2',
      [ids, 10 * maxNodes],
    );
    return rows;
  }

  private async nodes(seen: Record<'job' | 'dataset', Map<string, Buffer>>, edges: readonly Edge[]): Promise<object[]> {
    const rows = {
      job: await this.rowsOf('job', [...seen.job.values()]),
      dataset: await this.rowsOf('dataset', [...seen.dataset.values()]),
    };
    const ids = new Map(
      (['job', 'dataset'] as const).flatMap((type) =>
        rows[type].map((row) => [`${type}${row.id.toString('hex')}`, nodeId(type, row)] as const),
      ),
    );
    const named = edges.map(({ job, dataset, direction }) => {
      const [a, b] = [ids.get(`job${job.toString('hex')}`)!, ids.get(`dataset${dataset.toString('hex')}`)!];
      return direction === 'input' ? { origin: b, destination: a } : { origin: a, destination: b };
    });
    const node = (type: 'job' | 'dataset', row: EntityRow, data: object): object => {
      const id = nodeId(type, row);
      return {
        id,
        type: type.toUpperCase(),
        data,
        inEdges: named.filter(({ destination }) => destination === id),
        outEdges: named.filter(({ origin }) => origin === id),
      };
    };
    const described = {
      job: await this.describe('job', rows.job),
      dataset: await this.describe('dataset', rows.dataset),
    };
    return (['job', 'dataset'] as const).flatMap((type) =>
      rows[type].map((row, i) => node(type, row, described[type][i]!)),
    );
  }

  private async rowsOf(type: 'job' | 'dataset', ids: readonly Buffer[]): Promise<EntityRow[]> {
    const { rows } = await this.pool.query<EntityRow>(
      `SELECT * FROM ${tables[type]} WHERE id = ANY($1) ORDER BY namespace, name`,
      [ids],
    );
    return rows;
  }

  private async describe(type: 'job' | 'dataset', rows: readonly EntityRow[]): Promise<object[]> {
    if (type === 'dataset') return rows.map(describeDataset);
    const [runs, edges] = await Promise.all([
      this.pool.query<RunRow>(`${selectRun} WHERE r.run_id = ANY($1)`, [rows.flatMap((row) => row.latest_run ?? [])]),
      this.pool.query<{ job: Buffer; direction: string; namespace: string; name: string }>(
        `SELECT e.job, e.direction, d.namespace, d.name FROM lineage_edges e JOIN lineage_datasets d ON d.id = e.dataset
         WHERE e.job = ANY($1) ORDER BY d.namespace, d.name LIMIT $2`,
        [rows.map(({ id }) => id), 10 * maxNodes],
      ),
    ]);
    return rows.map((row) => {
      const side = (wanted: string): NamedEntity[] =>
        edges.rows
          .filter(({ job, direction }) => direction === wanted && job.equals(row.id))
          .map(({ namespace, name }) => ({ namespace, name }));
      const run = runs.rows.find(({ run_id: id }) => id === row.latest_run);
      return {
        ...describeEntity(row),
        type: 'BATCH',
        inputs: side('input'),
        outputs: side('output'),
        latestRun: run === undefined ? null : describeRun(run),
      };
    });
  }
}

function describeEntity({ namespace, name, created_at: created, updated_at: updated, facets }: EntityRow): object {
  return {
    id: { namespace, name },
    name,
    namespace,
    createdAt: created.toISOString(),
    updatedAt: updated.toISOString(),
    description: null,
    facets: JSON.parse(facets) as object,
  };
}

function describeDataset(row: EntityRow): object {
  const { schema } = JSON.parse(row.facets) as { schema?: { fields?: unknown } };
  const fields = Array.isArray(schema?.fields) ? (schema.fields as unknown[]) : [];
  const type = /^(kafka|pubsub|pulsar|kinesis):/.test(row.namespace) ? 'STREAM' : 'DB_TABLE';
  return { ...describeEntity(row), type, physicalName: row.name, sourceName: row.namespace, fields, tags: [] };
}

function describeRun(row: RunRow): object {
  const at = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());
  return {
    id: row.run_id,
    job: { namespace: row.namespace, name: row.name },
    state: row.state,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
    nominalStartTime: null,
    nominalEndTime: null,
    startedAt: at(row.started_ms),
    endedAt: at(row.ended_ms),
    durationMs: row.started_ms === null || row.ended_ms === null ? null : row.ended_ms - row.started_ms,
    args: {},
    facets: JSON.parse(row.facets) as object,
  };
}
