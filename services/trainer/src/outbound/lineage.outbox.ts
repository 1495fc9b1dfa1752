import type { Pool, PoolClient } from 'pg';
import { errorMessage } from '#libs/errors/millrace-error.js';
import type { Publisher } from '#libs/messaging/message-log.js';
import { Rest } from '#libs/rest/rest.js';
import type { Logger } from '#libs/telemetry/logger.js';
import { jobKey, lineageEvent, type LineageContext } from '../domain/lineage-of-run.js';
import { hasEnded, type Run, type RunState } from '../domain/run.js';

const maxAtOnce = 100;
const lookAgainMs = 5_000;
const retryMs = 1_000;

/**
 * The lineage of runs: an event is written in the transaction of the state that it tells of, once, and published until the broker has it. One that is published again after a crash is the
 * same, byte for byte: who reads it counts it once.
 */
export class LineageOutbox {
  private readonly rest = new Rest();
  private stopped = false;
  private running: Promise<void> | undefined;

  constructor(
    private readonly pool: Pool,
    private readonly publisher: Publisher,
    private readonly contextOf: (run: Run) => LineageContext,
    private readonly logger: Logger,
  ) {}

  /** @param before the run's state until now. Of a run that never began nothing is told. */
  async add(client: PoolClient, before: RunState, run: Run): Promise<void> {
    const begins = before === 'pending' && run.state === 'running';
    const ends = before === 'running' && hasEnded(run.state);
    if (!begins && !ends) return;
    const event = lineageEvent(run, Date.now(), this.contextOf(run));
    await client.query(
      `INSERT INTO lineage_events (run_id, transition, job, event) VALUES ($1, $2, $3, $4) ON CONFLICT (run_id, transition) DO NOTHING`,
      [run.runId, begins ? 'start' : 'end', jobKey(run), JSON.stringify(event)],
    );
  }

  start(): void {
    this.running = this.work();
  }

  /** Something was added. */
  poke(): void {
    this.rest.wake();
  }

  /** What is not published then is published at the next start. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.rest.end();
    await this.running;
  }

  private async work(): Promise<void> {
    while (!this.stopped) {
      try {
        if ((await this.publishSome()) === 0) await this.rest.take(lookAgainMs);
      } catch (error) {
        this.logger.warn('lineage_waits', { error: errorMessage(error) });
        await this.rest.take(retryMs);
      }
    }
  }

  private async publishSome(): Promise<number> {
    const { rows } = await this.pool.query<{ seq: string; job: string; event: string }>(
      'SELECT seq, job, event FROM lineage_events WHERE NOT published ORDER BY seq LIMIT $1',
      [maxAtOnce],
    );
    if (rows.length === 0) return 0;
    await this.publisher.publish(
      rows.map(({ job, event }) => ({ key: Buffer.from(job), value: Buffer.from(event), headers: {} })),
    );
    await this.pool.query('UPDATE lineage_events SET published = true WHERE seq = ANY($1)', [
      rows.map(({ seq }) => seq),
    ]);
    return rows.length;
  }
}
