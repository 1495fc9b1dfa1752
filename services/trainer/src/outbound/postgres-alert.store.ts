import type { Pool } from 'pg';
import { AlertStore, type FiringAlert } from '../domain/ports.js';

interface AlertRow {
  readonly fingerprint: string;
  readonly starts_ms: string;
  readonly model: string;
  readonly reason: FiringAlert['reason'];
  readonly summary: string;
}

/** Table `alerts` beside the runs; PostgresRunStore makes it. */
export class PostgresAlertStore extends AlertStore {
  constructor(private readonly pool: Pool) {
    super();
  }

  override async fires({ fingerprint, startsMs, model, reason, summary }: FiringAlert): Promise<boolean> {
    const { rowCount } = await this.pool.query(
      `INSERT INTO alerts (fingerprint, starts_ms, model, reason, summary) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (fingerprint) DO UPDATE SET starts_ms = $2, model = $3, reason = $4, summary = $5, is_over = false
       WHERE alerts.starts_ms < $2 OR (alerts.starts_ms = $2 AND NOT alerts.is_over)`,
      [fingerprint, startsMs, model, reason, summary],
    );
    return rowCount === 1;
  }

  override async isOver(fingerprint: string, startsMs: number): Promise<void> {
    await this.pool.query('UPDATE alerts SET is_over = true WHERE fingerprint = $1 AND starts_ms <= $2', [
      fingerprint,
      startsMs,
    ]);
  }

  override async firing(): Promise<FiringAlert[]> {
    const { rows } = await this.pool.query<AlertRow>(
      'SELECT fingerprint, starts_ms, model, reason, summary FROM alerts WHERE NOT is_over ORDER BY starts_ms, fingerprint COLLATE "C"',
    );
    return rows.map(({ starts_ms: startsMs, ...row }) => ({ ...row, startsMs: Number(startsMs) }));
  }
}
