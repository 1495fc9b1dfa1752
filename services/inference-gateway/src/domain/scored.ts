import { MillraceError } from '#libs/errors/millrace-error.js';
import type { Features } from './ports.js';

/** The rows of one request, scored. */
export interface Scored {
  /** float32 [rows]. */
  readonly scores: Float32Array;
  readonly features: readonly Features[];
  readonly fallback: boolean;
  /** [rows], 1 = by the candidate; undefined = all by the endpoint's own version. */
  readonly byCandidate: Uint8Array | undefined;
  /** [rows], 1 = from the response cache, without a run; left out = none. */
  readonly cached?: Uint8Array | undefined;
  /** How long was waited for the vectors, and for the scores; undefined = the fallback answers. */
  readonly timesMs: { readonly features: number; readonly infer: number } | undefined;
}

/** @throws MillraceError internal where a score is NaN or infinite: a candidate that says nothing has failed */
export function finite(scores: Float32Array): Float32Array {
  for (const score of scores)
    if (!Number.isFinite(score)) throw new MillraceError('internal', `the model's score is ${score}, not a number`);
  return scores;
}
