import { LateRequest } from '../domain/late-request.js';

/** Something that is asked for a request. */
export interface Timed {
  /** Until when somebody waits for it, epoch ms; Infinity = for ever. */
  readonly untilMs: number;
  reject(error: unknown): void;
}

/** Rejects those that nobody waits for any more. @param where they waited, for the error @returns the others; the same array where that is all */
export function stillWanted<Q extends Timed>(questions: readonly Q[], where: string): readonly Q[] {
  // The clock is read for those alone that have an end.
  if (questions.every(({ untilMs }) => untilMs === Number.POSITIVE_INFINITY)) return questions;
  const nowMs = Date.now();
  const isLate = ({ untilMs }: Q): boolean => nowMs >= untilMs;
  if (!questions.some(isLate)) return questions;
  for (const question of questions) if (isLate(question)) question.reject(new LateRequest(where));
  return questions.filter((question) => !isLate(question));
}

/** Of several that are asked together, until when somebody waits, epoch ms. */
export function lastWanted(questions: readonly Pick<Timed, 'untilMs'>[]): number {
  let untilMs = Number.NEGATIVE_INFINITY;
  for (const question of questions) if (question.untilMs > untilMs) untilMs = question.untilMs;
  return untilMs;
}

/** What may be waited, ms: at most `mostMs`, at least 1. @param where the request is @throws LateRequest where nothing is left */
export function timeLeft(untilMs: number, mostMs: number, where: string): number {
  if (untilMs === Number.POSITIVE_INFINITY) return mostMs;
  const leftMs = Math.ceil(untilMs - Date.now());
  if (leftMs <= 0) throw new LateRequest(where);
  return Math.min(mostMs, leftMs);
}
