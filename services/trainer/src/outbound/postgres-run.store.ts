import type { Pool, PoolClient } from 'pg';
import { inTransaction } from '#libs/storage/postgres.js';
import { readSql } from '#libs/storage/sql-file.js';
import type { LineageOutbox } from './lineage.outbox.js';
import { RunStore } from '../domain/ports.js';
import { type Run, type RunPlan, type RunState, type Step, stepNames } from '../domain/run.js';

interface RunRow {
  readonly run_id: string;
  readonly state: RunState;
  readonly reason: string;
  readonly plan: string;
  readonly error: string;
  readonly model_version: string;
  readonly created_ms: string;
  readonly steps: readonly {
    name: Step['name'];
    state: Step['state'];
    attempt: number;
    started_ms: number;
    finished_ms: number;
    message: string;
    outputs: string;
  }[];
}

const selectRuns = `SELECT r.*, (SELECT json_agg(s ORDER BY s.position) FROM steps s WHERE s.run_id = r.run_id) AS steps FROM runs r`;

/** Postgres database `trainer`. */
export class PostgresRunStore extends RunStore {
  /** @param lineage is told of every change of a run's state, in its transaction */
  constructor(
    private readonly pool: Pool,
    private readonly lineage?: LineageOutbox,
  ) {
    super();
  }

  async createTables(): Promise<void> {
    await inTransaction(this.pool, async (client) => {
      await client.query('SELECT pg_advisory_xact_lock(7105)');
      await client.query(readSql('services/trainer/sql/schema.sql'));
      await client.query(readSql('services/trainer/sql/lineage.sql'));
    });
  }

  override create(runId: string, plan: RunPlan, reason: string, idempotencyKey: string | undefined): Promise<Run> {
    return inTransaction(this.pool, async (client) => {
      const values = [
        runId,
        plan.pipeline.name,
        plan.model.name,
        reason,
        JSON.stringify(plan),
        idempotencyKey ?? null,
        Date.now(),
      ];
      const { rowCount } = await client.query(
        `INSERT INTO runs (run_id, pipeline, model, state, reason, plan, idempotency_key, created_ms) VALUES ($1, $2, $3, 'pending', $4, $5, $6, $7) ON CONFLICT (idempotency_key) DO NOTHING`,
        values,
      );
      if (rowCount === 0) return (await this.select(client, 'WHERE idempotency_key = $1', [idempotencyKey]))[0]!;
      for (const [position, name] of stepNames.entries())
        await client.query(`INSERT INTO steps (run_id, position, name, state) VALUES ($1, $2, $3, 'pending')`, [
          runId,
          position,
          name,
        ]);
      return (await this.select(client, 'WHERE run_id = $1', [runId]))[0]!;
    });
  }

  override async get(runId: string): Promise<Run | undefined> {
    return (await this.select(this.pool, 'WHERE run_id = $1', [runId]))[0];
  }

  override list(pipeline: string, limit: number): Promise<Run[]> {
    return this.select(this.pool, `WHERE $1 = '' OR pipeline = $1 ORDER BY created_ms DESC, run_id LIMIT $2`, [
      pipeline,
      limit,
    ]);
  }

  override async nextUnfinished(): Promise<Run | undefined> {
    return (
      await this.select(
        this.pool,
        `WHERE state IN ('pending', 'running') ORDER BY state = 'running' DESC, created_ms, run_id LIMIT 1`,
        [],
      )
    )[0];
  }

  override async isUnderWay(pipeline: string): Promise<boolean> {
    const { rowCount } = await this.pool.query(
      `SELECT 1 FROM runs WHERE pipeline = $1 AND state IN ('pending', 'running') LIMIT 1`,
      [pipeline],
    );
    return rowCount === 1;
  }

  override async setRun(
    runId: string,
    { state, error, modelVersion }: { state: RunState; error?: string; modelVersion?: string },
  ): Promise<void> {
    await inTransaction(this.pool, async (client) => {
      const [before] = await this.select(client, 'WHERE run_id = $1 FOR UPDATE OF r', [runId]);
      await client.query(
        'UPDATE runs SET state = $2, error = COALESCE($3, error), model_version = COALESCE($4, model_version) WHERE run_id = $1',
        [runId, state, error ?? null, modelVersion ?? null],
      );
      const [after] = await this.select(client, 'WHERE run_id = $1', [runId]);
      if (before !== undefined && after !== undefined) await this.lineage?.add(client, before.state, after);
    });
    this.lineage?.poke();
  }

  override async setStep(
    runId: string,
    { name, state, attempt, startedMs, finishedMs, message, outputs }: Step,
  ): Promise<void> {
    await this.pool.query(
      'UPDATE steps SET state = $3, attempt = $4, started_ms = $5, finished_ms = $6, message = $7, outputs = $8 WHERE run_id = $1 AND name = $2',
      [runId, name, state, attempt, startedMs, finishedMs, message, JSON.stringify(outputs)],
    );
  }

  private async select(client: Pool | PoolClient, where: string, values: unknown[]): Promise<Run[]> {
    const { rows } = await client.query<RunRow>(`${selectRuns} ${where}`, values);
    return rows.map(toRun);
  }
}

function toRun(row: RunRow): Run {
  return {
    runId: row.run_id,
    state: row.state,
    reason: row.reason,
    plan: JSON.parse(row.plan) as RunPlan,
    error: row.error,
    modelVersion: row.model_version,
    createdMs: Number(row.created_ms),
    steps: row.steps.map(
      ({ name, state, attempt, started_ms: startedMs, finished_ms: finishedMs, message, outputs }) => ({
        name,
        state,
        attempt,
        startedMs: Number(startedMs),
        finishedMs: Number(finishedMs),
        message,
        outputs: JSON.parse(outputs) as Step['outputs'],
      }),
    ),
  };
}
