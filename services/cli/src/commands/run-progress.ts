import type { Run, Step } from '#libs/contracts/generated/millrace/trainer/v1/trainer.js';
import { timestampMs } from '#libs/definitions/timestamp.js';
import { MillraceError } from '#libs/errors/millrace-error.js';

/** @returns epoch ms; 0 where the option is left out, which the trainer takes as not given. @throws MillraceError invalid-argument naming the option */
export function parseTime(option: string, text: string | undefined): number {
  if (text === undefined) return 0;
  const ms = timestampMs(text);
  if (ms === undefined || ms <= 0)
    throw new MillraceError(
      'invalid-argument',
      `${option} "${text}" is not a time after 1970 in RFC 3339, e.g. 2026-03-01T00:00:00Z`,
    );
  return ms;
}

export function hasEnded({ state }: Pick<Run, 'state'>): boolean {
  return state !== 'pending' && state !== 'running';
}

/** Steps that have succeeded in `now` and had not in `before`, in order. */
export function newlySucceeded(before: Pick<Run, 'steps'>, now: Pick<Run, 'steps'>): Step[] {
  const done = new Set(before.steps.filter(({ state }) => state === 'succeeded').map(({ name }) => name));
  return now.steps.filter(({ name, state }) => state === 'succeeded' && !done.has(name));
}
