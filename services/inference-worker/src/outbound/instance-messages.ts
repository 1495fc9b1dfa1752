import type { BatchLimitOptions } from '../domain/measure-batch-limit.js';
import type { NamedTensor } from '../domain/named-tensor.js';
import type { LoadedModel, ModelRun, TensorsRun } from '../domain/ports.js';
import type { Fault } from '../domain/outcome.js';

/** What the thread of an instance is started with. */
export interface InstanceSettings {
  readonly limit: BatchLimitOptions;
  readonly maxOutputBytes: number;
  readonly providers: readonly string[];
}

/** A model without what only its thread can do. */
export type ModelDescription = Omit<LoadedModel, 'memoryBytes' | 'run' | 'runTensors' | 'release'>;

/** What an instance is asked; models go by numbers, for the same bytes may be loaded again while they are released. */
export type Order =
  | { readonly kind: 'load'; readonly model: number; readonly sha256: string; readonly bytes: Uint8Array }
  | { readonly kind: 'run'; readonly model: number; readonly input: Float32Array; readonly rows: number }
  | {
      readonly kind: 'run-tensors';
      readonly model: number;
      readonly tensors: readonly NamedTensor[];
      readonly names: readonly string[];
    }
  | { readonly kind: 'release'; readonly model: number };

export type Answer =
  { readonly ok: true; readonly model: ModelDescription } | Fault | ModelRun | TensorsRun | undefined;

export type ToInstance = Order & { readonly id: number };

/** In any order, by the order's id. */
export type FromInstance =
  { readonly id: number; readonly answer: Answer } | { readonly id: number; readonly error: string };
