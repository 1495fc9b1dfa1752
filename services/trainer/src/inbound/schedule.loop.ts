import { errorMessage } from '#libs/errors/millrace-error.js';
import type { Logger } from '#libs/telemetry/logger.js';
import type { TriggeredRuns } from '../domain/triggered-runs.js';
import { dueTime } from '../domain/due-time.js';

const lookEveryMs = 5_000;
/** A due time that passed while the trainer was started again is caught up; the key of the occasion keeps it from being told twice. */
const catchUpMs = 60_000;

/** Looks every few seconds which pipelines are due. */
export class ScheduleLoop {
  private lookedMs: number;
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(
    private readonly runs: TriggeredRuns,
    private readonly logger: Logger,
    private readonly now: () => number,
  ) {
    this.lookedMs = now() - catchUpMs;
  }

  start(): void {
    if (this.stopped) return;
    this.looking = this.look().catch((error: unknown) =>
      this.logger.warn('schedules_wait', { error: errorMessage(error) }),
    );
    void this.looking.then(() => (this.timer = setTimeout(() => this.start(), lookEveryMs)));
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.looking;
    clearTimeout(this.timer);
  }

  /** What became due since the last look; after a failure the next look goes back as far. */
  async look(): Promise<void> {
    const nowMs = this.now();
    for (const pipeline of this.runs.pipelines()) {
      const schedule = pipeline.triggers?.schedule;
      const dueMs = schedule === undefined ? undefined : dueTime(schedule, this.lookedMs, nowMs);
      if (dueMs === undefined) continue;
      const summary = `"${schedule}" was due at ${new Date(dueMs).toISOString()}`;
      await this.runs.consider(pipeline, { key: `schedule/${dueMs}`, reason: 'schedule', summary });
    }
    this.lookedMs = nowMs;
  }
}
