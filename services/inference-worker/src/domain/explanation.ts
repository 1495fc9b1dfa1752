import type { Explanation, Fault } from './outcome.js';

/** Rows of one batch that may be explained. */
export const maxExplainedRows = 100;

/** What a batch asks beside its scores. The rows have been scored, so their shape is right. */
export interface ExplanationQuestion {
  readonly onnxSha256: string;
  readonly backgroundSha256: string;
  readonly rows: number;
  readonly features: number;
  /** float32 little-endian, row-major [rows, features]; NaN = missing value. */
  readonly input: Uint8Array;
  /** What the model answers, float32 little-endian, row-major [rows, columns]: exact explanations are held against it. */
  readonly output: Uint8Array;
  readonly columns: number;
  /** Nobody waits for longer. */
  readonly timeoutMs: number;
}

export type ExplanationOutcome = Explanation | Fault;

/** Computes contributions, away from the thread that serves. */
export abstract class Explainer {
  /** Never rejects. One question at a time. */
  abstract explain(question: ExplanationQuestion): Promise<ExplanationOutcome>;
}

/** What the worker tells of its explanations. */
export abstract class ExplanationObserver {
  abstract explained(result: Explanation['by'] | Fault['code'], rows: number, seconds: number): void;
  abstract waiting(rows: number): void;
}
