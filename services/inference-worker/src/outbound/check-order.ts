import type { BatchLimitOptions } from '../domain/measure-batch-limit.js';
import type { Checked } from '../domain/model-checker.js';
import type { Fault } from '../domain/outcome.js';

/** What the process that checks a model is told, once. */
export interface CheckOrder {
  readonly sha256: string;
  readonly path: string;
  readonly limit: BatchLimitOptions;
  readonly maxOutputBytes: number;
}

/** What it says once it has its order; that it has started it says before, in a message of any content. */
export type CheckReport = Checked | Fault;

export interface CheckLimits {
  /** Of resident memory of the process, all that a Node.js process needs (about 70 MiB) included. */
  readonly memoryBytes: number;
  readonly timeoutMs: number;
}
