import { type ErrorCode, MillraceError } from '#libs/errors/millrace-error.js';

const firstWaitMs = 100;
const longestWaitMs = 10_000;
/** What passes by itself. */
const passing: readonly ErrorCode[] = ['resource-exhausted', 'unavailable', 'deadline-exceeded'];

export interface RetryClock {
  nowMs(): number;
  /** Rejects where the run is given up meanwhile. */
  sleep(ms: number): Promise<void>;
  /** 0 to 1, without 1. */
  random(): number;
}

export interface RetryOptions {
  readonly clock: RetryClock;
  /** Since the first refusal. */
  readonly giveUpAfterMs: number;
  readonly onRetry?: (error: MillraceError) => void;
}

/**
 * Asks until there is an answer, or an error that will not pass by itself. Waits as long as the server says, and a random part of a time that doubles with each refusal, up to 10 s:
 * "full jitter", so that those who were refused together do not come again together (Brooker, Exponential Backoff and Jitter, 2015).
 * @throws MillraceError the last, once `giveUpAfterMs` are over
 */
export async function askUntilAnswered<T>(
  ask: () => Promise<T>,
  { clock, giveUpAfterMs, onRetry }: RetryOptions,
): Promise<T> {
  let refusedMs: number | undefined;
  for (let attempt = 0; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof MillraceError) || !passing.includes(error.code)) throw error;
      refusedMs ??= clock.nowMs();
      const waitMs = waitOf(error, attempt, clock.random());
      if (waitMs === undefined) throw error;
      if (clock.nowMs() + waitMs - refusedMs > giveUpAfterMs) throw givenUp(error, giveUpAfterMs);
      onRetry?.(error);
      await clock.sleep(waitMs);
    }
  }
}

/** @returns ms; undefined = the server says not to come again, by a negative pushback (gRFC A6) */
function waitOf({ retryAfterMs = 0 }: MillraceError, attempt: number, random: number): number | undefined {
  if (retryAfterMs < 0) return undefined;
  return retryAfterMs + random * Math.min(longestWaitMs, firstWaitMs * 2 ** Math.min(attempt, 30));
}

function givenUp(error: MillraceError, giveUpAfterMs: number): MillraceError {
  return new MillraceError(
    error.code,
    `${error.message} (asked again for ${giveUpAfterMs / 1_000} s; what is done is kept, and the same command goes on)`,
    { cause: error },
  );
}
