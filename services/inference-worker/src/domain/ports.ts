import type { NamedTensor, TensorSpec } from './named-tensor.js';
import type { Fault, FaultCode } from './outcome.js';

export interface ModelRun {
  /** Row-major [rows, columns]. */
  readonly output: Float32Array;
  /** How long the model held the thread, in microseconds. */
  readonly tookUs: number;
}

export interface TensorsRun {
  readonly tensors: readonly NamedTensor[];
  readonly tookUs: number;
}

/** A model that is ready to run. One float32 input [rows, features] and one float32 output [rows, columns] make it tabular: it runs on batches of rows. Any runs on tensors by name. */
export interface LoadedModel {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Why it is not tabular; then it has no features, no columns, and is not asked for rows. Undefined = it is. */
  readonly notTabular: string | undefined;
  /**
   * @param names of the outputs that are asked for; empty = all
   * @returns a fault where the tensors or the names are not what the model takes @throws Error when the run fails
   */
  runTensors(tensors: readonly NamedTensor[], names: readonly string[]): Promise<TensorsRun | Fault>;
  readonly inputName: string;
  readonly outputName: string;
  readonly features: number;
  readonly columns: number;
  /** As many rows as one run may have, so that no run holds the thread for longer than the target (see measureBatchLimit). */
  readonly maxRows: number;
  readonly loadMs: number;
  /** About what it takes of the process. */
  readonly memoryBytes: number;
  /**
   * @param input row-major [rows, features]; not to be changed before the promise settles, and with several instances theirs from then on; NaN = missing value
   */
  run(input: Float32Array, rows: number): Promise<ModelRun>;
  /** Gives its memory back; never called while a run is under way. */
  release(): Promise<void>;
}

/** Before anybody knows what memory it takes. */
export type TrialOutcome = { readonly ok: true; readonly model: Omit<LoadedModel, 'memoryBytes'> } | Fault;

/** Makes a model of bytes that may be run here, and tries it out. */
export interface ModelMaker {
  /** @param startMs when loading began, by performance.now() */
  make(bytes: Uint8Array, sha256: string, startMs: number): Promise<TrialOutcome>;
}

export type LoadOutcome = { readonly ok: true; readonly model: LoadedModel } | Fault;

/** Finds a model by the hash of its bytes, checks that hash and the model's contract, and makes it ready to run. */
export abstract class ModelLoader {
  abstract load(sha256: string): Promise<LoadOutcome>;
}

/** What the worker tells of its work while it works. */
export abstract class WorkerObserver {
  abstract answered(result: 'ok' | FaultCode, rows: number): void;
  abstract ran(rows: number, seconds: number): void;
  /** How long the oldest batch of a run had waited when its run began; one that is cut over several runs is told once. */
  abstract waited(seconds: number): void;
  abstract queuedRows(rows: number): void;
  abstract loaded(result: 'ok' | FaultCode, seconds: number): void;
  abstract modelsLoaded(count: number, memoryBytes: number): void;
  /** Cells of an output that are NaN or infinite. */
  abstract nonFinite(cells: number): void;
}
