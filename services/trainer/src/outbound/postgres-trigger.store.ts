import type { Pool } from 'pg';
import { type Trigger, TriggerStore } from '../domain/ports.js';

interface TriggerRow {
  readonly trigger_key: string;
  readonly pipeline: string;
  readonly occasion: string;
  readonly attempt: number;
  readonly reason: Trigger['reason'];
  readonly summary: string;
  readonly decision: Trigger['decision'];
  readonly because: string;
  readonly run_id: string;
  readonly decided_ms: string;
}

/** Table `triggers` beside the runs; PostgresRunStore makes it. */
export class PostgresTriggerStore extends TriggerStore {
  constructor(private readonly pool: Pool) {
    super();
  }

  override async add(trigger: Trigger): Promise<void> {
    const { triggerKey, pipeline, occasion, attempt, reason, summary, decision, because, runId, decidedMs } = trigger;
    await this.pool.query(
      'INSERT INTO triggers (trigger_key, pipeline, occasion, attempt, reason, summary, decision, because, run_id, decided_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)',
      [triggerKey, pipeline, occasion, attempt, reason, summary, decision, because, runId, decidedMs],
    );
  }

  override async latest(pipeline: string, occasion: string): Promise<Trigger | undefined> {
    const { rows } = await this.pool.query<TriggerRow>(
      'SELECT * FROM triggers WHERE pipeline = $1 AND occasion = $2 ORDER BY attempt DESC LIMIT 1',
      [pipeline, occasion],
    );
    return rows.map(toTrigger)[0];
  }

  override async startedSince(pipeline: string, sinceMs: number): Promise<number[]> {
    const { rows } = await this.pool.query<Pick<TriggerRow, 'decided_ms'>>(
      `SELECT decided_ms FROM triggers WHERE pipeline = $1 AND decision = 'started' AND decided_ms >= $2 ORDER BY decided_ms`,
      [pipeline, sinceMs],
    );
    return rows.map((row) => Number(row.decided_ms));
  }
}

function toTrigger(row: TriggerRow): Trigger {
  return {
    triggerKey: row.trigger_key,
    pipeline: row.pipeline,
    occasion: row.occasion,
    attempt: row.attempt,
    reason: row.reason,
    summary: row.summary,
    decision: row.decision,
    because: row.because,
    runId: row.run_id,
    decidedMs: Number(row.decided_ms),
  };
}
