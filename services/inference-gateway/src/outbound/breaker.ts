import CircuitBreaker from 'opossum';
import { MillraceError } from '#libs/errors/millrace-error.js';

export type Breaker<Q, A> = CircuitBreaker<[Q], A>;

/** Stops asking whoever fails for half of what it is asked, for half a second at a time. @param ask bounds every question by itself @param isAway what counts; a wrong question is no failure of who was asked */
export function breakerOf<Q, A>(ask: (question: Q) => Promise<A>, isAway: (error: unknown) => boolean): Breaker<Q, A> {
  return new CircuitBreaker(ask, {
    timeout: false,
    volumeThreshold: 5,
    errorThresholdPercentage: 50,
    resetTimeout: 500,
    rollingCountTimeout: 5_000,
    errorFilter: (error: unknown) => !isAway(error),
  });
}

/** What it failed with. The breaker's own refusal has no code of ours: then nobody answers, in these words. */
export function refusedBy(error: unknown, words: string): MillraceError {
  return error instanceof MillraceError ? error : new MillraceError('unavailable', words, { cause: error });
}
