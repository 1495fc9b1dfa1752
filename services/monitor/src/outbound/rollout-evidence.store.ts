import type { ClickHouseClient } from '@clickhouse/client';
import { Judgement } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import type { Rollout } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { errorMessage, MillraceError } from '#libs/errors/millrace-error.js';
import type { Moments } from '#libs/numeric/sequential/mean-bounds.js';
import { readSql } from '#libs/storage/sql-file.js';
import type { RolloutStatistics, StepCounts } from '../domain/rollout-statistics.js';

/** Count, mean, variance; a mean of nothing and a variance of fewer than two are null. */
type MomentsRow = [number, number | null, number | null];

interface StatisticsRow {
  /** Step, arm, 1 = failed, rows. */
  step_counts: [number, StepCounts['arm'], 0 | 1, number][];
  /** Of pairs, canary rows and live rows. */
  loss_moments: [MomentsRow, MomentsRow, MomentsRow];
  live_p99_us: number | null;
  /** All, and slow ones. */
  canary_latency: [number, number];
}

/** What the database knows of rollouts, and what was judged from it. */
export class RolloutEvidenceStore {
  constructor(private readonly client: ClickHouseClient) {}

  /** Computed in ClickHouse over the whole rollout. @param ratio of latencyP99; any where it is not judged @throws MillraceError unavailable */
  async statistics({ rolloutId, endpoint, model }: Rollout, ratio: number): Promise<RolloutStatistics> {
    const parameters = { rollout: rolloutId, endpoint, model, ratio };
    const [row] = await this.query<StatisticsRow>('services/monitor/sql/rollout-statistics.sql', parameters);
    const [pairs, canaryLoss, liveLoss] = row!.loss_moments;
    const [canaryRows, canarySlowRows] = row!.canary_latency;
    return {
      steps: row!.step_counts.map(([step, arm, failed, rows]) => ({
        step,
        arm,
        answered: failed === 1 ? 0 : rows,
        failed: failed === 1 ? rows : 0,
      })),
      pairs: momentsOf(pairs),
      canaryLoss: momentsOf(canaryLoss),
      liveLoss: momentsOf(liveLoss),
      latency: { liveP99Us: row!.live_p99_us ?? Number.NaN, canaryRows, canarySlowRows },
    };
  }

  async insertJudgement(judgement: Judgement): Promise<void> {
    const { rolloutId, endpoint, outcome, generation, step, reason, judgedMs } = judgement;
    const row = {
      rollout_id: rolloutId,
      judged_at: new Date(judgedMs).toISOString(),
      endpoint,
      outcome,
      generation,
      step,
      reason,
      encoded_base64: Buffer.from(Judgement.encode(judgement).finish()).toString('base64'),
    };
    await this.client.insert({ table: 'monitoring.judgements', values: [row], format: 'JSONEachRow' });
  }

  /** Newest first; empty = none was made yet. @throws MillraceError unavailable */
  async judgements(rollout: string, limit: number): Promise<Judgement[]> {
    const rows = await this.query<{ encoded_base64: string }>('services/monitor/sql/judgements.sql', {
      rollout,
      limit,
    });
    return rows.map((row) => Judgement.decode(Buffer.from(row.encoded_base64, 'base64')));
  }

  private async query<T>(sql: string, parameters: Record<string, unknown>): Promise<T[]> {
    try {
      const query = { query: readSql(sql), query_params: parameters, format: 'JSONEachRow' } as const;
      return await (await this.client.query(query)).json<T>();
    } catch (error) {
      throw new MillraceError(
        'unavailable',
        `the prediction log (CLICKHOUSE_URL) does not answer: ${errorMessage(error)}`,
        { cause: error },
      );
    }
  }
}

function momentsOf([n, mean, variance]: MomentsRow): Moments {
  return { n, mean: mean ?? 0, variance: variance ?? 0 };
}
