import type { TriggeredRuns } from './triggered-runs.js';
import { dueTime } from './due-time.js';

/** A due time that passed while the trainer was started again is caught up; the key of the occasion keeps it from being told twice. */
const catchUpMs = 60_000;

/** Which pipelines are due. */
export class DueSchedules {
  private lookedMs: number;

  constructor(
    private readonly runs: TriggeredRuns,
    private readonly now: () => number,
  ) {
    this.lookedMs = now() - catchUpMs;
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
