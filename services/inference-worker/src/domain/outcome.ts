import type { NamedTensor } from './named-tensor.js';

/** Why a batch was not answered with scores: the closed list of worker.proto, also a metric label. */
export const faultCodes = [
  'model-not-found',
  'hash-mismatch',
  'bad-shape',
  'deadline',
  'overloaded',
  'run-failed',
] as const;

export type FaultCode = (typeof faultCodes)[number];

export interface Fault {
  readonly ok: false;
  readonly code: FaultCode;
  readonly message: string;
}

/** What the features of a batch's rows contributed. */
export interface Explanation {
  readonly ok: true;
  /** float64, row-major [rows, features], in the margin's unit. */
  readonly contributions: Float64Array;
  /** With a row's contributions it makes up the row's margin. */
  readonly baseValue: number;
  /** Exact, of a tree ensemble; sampled, of any other model. */
  readonly by: 'tree-shap' | 'permutation-shap';
}

export interface Scored {
  readonly ok: true;
  /** Answer to tensors, instead of output and columns. */
  readonly tensors?: readonly NamedTensor[];
  /** float32 little-endian, row-major [rows, columns]; what the model said, NaN and infinities included. */
  readonly output: Buffer;
  readonly columns: number;
  /** The longest run that had rows of this batch, in microseconds. */
  readonly runUs: number;
  /** Of a batch that asked for it. */
  readonly explanation?: Explanation;
}

export type InferOutcome = Scored | Fault;

export function fault(code: FaultCode, message: string): Fault {
  return { ok: false, code, message };
}
