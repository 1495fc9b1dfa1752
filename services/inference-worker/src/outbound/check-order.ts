import type { BatchLimitOptions } from '../domain/measure-batch-limit.js';
import type { Fault } from '../domain/outcome.js';

/** What the process that checks a model is told, once. */
export interface CheckOrder {
  readonly sha256: string;
  readonly path: string;
  readonly limit: BatchLimitOptions;
  readonly maxOutputBytes: number;
}

/** What it says: that it has started, and then what it found; without `refused` the model is good. */
export interface CheckReport {
  readonly ready?: true;
  readonly refused?: Fault;
}

export interface CheckLimits {
  /** Of resident memory of the process, all that a Node.js process needs (about 70 MiB) included. */
  readonly memoryBytes: number;
  readonly timeoutMs: number;
}
