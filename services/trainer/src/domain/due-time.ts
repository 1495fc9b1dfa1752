import { Cron } from 'croner';

/**
 * The newest time in (afterMs, untilMs] at which a schedule is due; undefined = none. Of several that passed only the newest counts: a run trains on all that came before.
 * @param schedule five fields of cron, UTC
 * @param afterMs wall clock, epoch ms, as untilMs
 */
export function dueTime(schedule: string, afterMs: number, untilMs: number): number | undefined {
  const cron = new Cron(schedule, { paused: true, timezone: 'UTC' });
  // Due times are whole seconds and previousRuns() leaves its reference out.
  const newest = cron.previousRuns(1, new Date(Math.floor(untilMs / 1_000) * 1_000 + 1_000))[0]?.getTime();
  return newest !== undefined && newest > afterMs && newest <= untilMs ? newest : undefined;
}
