import type { Pool, PoolClient } from 'pg';
import { AuditEvent } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import type { Kind, Specs } from '#libs/definitions/definition-kinds.js';
import type { TopicId } from '#libs/contracts/topics.js';
import { ModelVersion, Rollout, Route, RunRecord } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { inTransaction } from '#libs/storage/postgres.js';
import { readSql } from '#libs/storage/sql-file.js';
import { moveDone } from '../domain/done.js';
import type { PlannedChange, StoredDefinition } from '../domain/plan-changes.js';
import { isUnderWay } from '../domain/rollout-machine.js';
import { servedFrom } from '../domain/upstream.js';

/** Serialises every change of the registry: changes are rare, and each sees all before it. */
const changeLock = 7_101;

/** One transaction over the registry's tables. What it changes and what it publishes become true together. */
export class RegistryTransaction {
  constructor(private readonly client: PoolClient) {}

  async definitions(): Promise<Map<string, StoredDefinition>> {
    const { rows } = await this.client.query<{
      kind: Kind;
      name: string;
      generation: string;
      digest: string;
      spec: string;
      deleted: boolean;
      changed_at: Date;
    }>('SELECT * FROM definitions ORDER BY kind, name');
    return new Map(
      rows.map((row) => [
        `${row.kind}/${row.name}`,
        {
          ...row,
          generation: Number(row.generation),
          changedMs: row.changed_at.getTime(),
          spec: JSON.parse(row.spec) as Specs[Kind],
        },
      ]),
    );
  }

  async writeDefinition(change: PlannedChange, caller: string): Promise<void> {
    await this.client.query(
      `INSERT INTO definitions (kind, name, generation, digest, spec, deleted, changed_by) VALUES ($1, $2, $3, $4, $5, $6, $7)
       ON CONFLICT (kind, name) DO UPDATE SET generation = $3, digest = $4, spec = $5, deleted = $6, changed_at = now(), changed_by = $7`,
      [change.kind, change.name, change.generation, change.digest, change.specText, change.action === 'delete', caller],
    );
  }

  async publish(topic: TopicId, key: string, value: Uint8Array): Promise<void> {
    await this.client.query('INSERT INTO outbox (topic, key, value) VALUES ($1, $2, $3)', [
      topic,
      key,
      Buffer.from(value),
    ]);
  }

  async writeRun(run: RunRecord): Promise<void> {
    await this.client.query(
      'INSERT INTO runs (run_id, record) VALUES ($1, $2) ON CONFLICT (run_id) DO UPDATE SET record = $2, changed_at = now()',
      [run.runId, Buffer.from(RunRecord.encode(run).finish())],
    );
  }

  async run(runId: string): Promise<RunRecord | undefined> {
    const { rows } = await this.client.query<{ record: Buffer }>('SELECT record FROM runs WHERE run_id = $1', [runId]);
    return rows[0] && RunRecord.decode(rows[0].record);
  }

  /** With their aliases, oldest first. @param model empty = all */
  async versions(model: string): Promise<ModelVersion[]> {
    const { rows } = await this.client.query<{ record: Buffer; aliases: string[] }>(
      `SELECT record, ARRAY(SELECT alias FROM aliases a WHERE a.model = v.model AND a.number = v.number ORDER BY alias) AS aliases
       FROM model_versions v WHERE $1 = '' OR model = $1 ORDER BY model, number LIMIT 10000`,
      [model],
    );
    return rows.map(({ record, aliases }) => ({ ...ModelVersion.decode(record), aliases }));
  }

  /** @throws MillraceError not-found, with those that there are */
  async version(model: string, number: string): Promise<ModelVersion> {
    const versions = await this.versions(model);
    const found = versions.find(({ version }) => version === number);
    if (found === undefined)
      throw new MillraceError(
        'not-found',
        `model ${model} has no version "${number}"; it has ${versions.map(({ version }) => version).join(', ') || 'none'}`,
      );
    return found;
  }

  async insertVersion(version: ModelVersion): Promise<void> {
    await this.client.query(
      'INSERT INTO model_versions (model, number, run_id, onnx_sha256, record) VALUES ($1, $2, $3, $4, $5)',
      [
        version.model,
        Number(version.version),
        version.runId,
        servedFrom(version),
        Buffer.from(ModelVersion.encode({ ...version, aliases: [] }).finish()),
      ],
    );
  }

  async writeAlias(model: string, alias: string, version: string): Promise<void> {
    await this.client.query(
      'INSERT INTO aliases (model, alias, number) VALUES ($1, $2, $3) ON CONFLICT (model, alias) DO UPDATE SET number = $3',
      [model, alias, Number(version)],
    );
  }

  async route(endpoint: string): Promise<Route | undefined> {
    const { rows } = await this.client.query<{ record: Buffer }>('SELECT record FROM routes WHERE endpoint = $1', [
      endpoint,
    ]);
    return rows[0] && Route.decode(rows[0].record);
  }

  async writeRoute(route: Route): Promise<void> {
    const record = Buffer.from(Route.encode(route).finish());
    await this.client.query(
      'INSERT INTO routes (endpoint, record) VALUES ($1, $2) ON CONFLICT (endpoint) DO UPDATE SET record = $2',
      [route.endpoint, record],
    );
    await this.publish('routesChanged', route.endpoint, record);
  }

  /** @throws MillraceError not-found */
  async rollout(rolloutId: string): Promise<Rollout> {
    const { rows } = await this.client.query<{ record: Buffer }>('SELECT record FROM rollouts WHERE rollout_id = $1', [
      rolloutId,
    ]);
    if (rows[0] === undefined) throw new MillraceError('not-found', `there is no rollout ${rolloutId}`);
    return Rollout.decode(rows[0].record);
  }

  /** Newest first. @param endpoint empty = all */
  async rollouts(endpoint: string, limit: number): Promise<Rollout[]> {
    const { rows } = await this.client.query<{ record: Buffer }>(
      "SELECT record FROM rollouts WHERE $1 = '' OR endpoint = $1 ORDER BY started_at DESC LIMIT $2",
      [endpoint, limit],
    );
    return rows.map(({ record }) => Rollout.decode(record));
  }

  /** An endpoint has one at most; it is the newest. */
  async rolloutUnderWay(endpoint: string): Promise<Rollout | undefined> {
    const [newest] = await this.rollouts(endpoint, 1);
    return newest !== undefined && isUnderWay(newest) ? newest : undefined;
  }

  async writeRollout(rollout: Rollout): Promise<void> {
    const record = Buffer.from(Rollout.encode(rollout).finish());
    await this.client.query(
      `INSERT INTO rollouts (rollout_id, endpoint, state, record) VALUES ($1, $2, $3, $4)
       ON CONFLICT (rollout_id) DO UPDATE SET state = $3, record = $4`,
      [rollout.rolloutId, rollout.endpoint, rollout.state, record],
    );
    await this.publish('rolloutsChanged', rollout.rolloutId, record);
    await this.audit(moveDone(rollout));
  }

  /** Kept by governance; published when, and only when, what it tells of is committed. */
  async audit(event: AuditEvent): Promise<void> {
    await this.publish('auditRecorded', event.eventId, AuditEvent.encode(event).finish());
  }
}

/** Postgres database `registry`. */
export class RegistryDatabase {
  constructor(private readonly pool: Pool) {}

  async createTables(): Promise<void> {
    await this.change(async (_, client) => void (await client.query(readSql('services/registry/sql/schema.sql'))));
  }

  /** One change at a time; rolled back on a throw. */
  change<T>(work: (transaction: RegistryTransaction, client: PoolClient) => Promise<T>): Promise<T> {
    return inTransaction(this.pool, async (client) => {
      await client.query('SELECT pg_advisory_xact_lock($1)', [changeLock]);
      return work(new RegistryTransaction(client), client);
    });
  }

  read<T>(work: (transaction: RegistryTransaction) => Promise<T>): Promise<T> {
    return inTransaction(this.pool, (client) => work(new RegistryTransaction(client)));
  }
}
