import type { RawTensor } from '#libs/tensors/raw-tensor.js';

/** One output: `FP32` or `FP64` values or `BYTES` strings, row-major. */
export interface ValuesTensor {
  readonly name: string;
  readonly datatype: 'FP32' | 'FP64' | 'BYTES';
  readonly shape: number[];
  readonly values: Float32Array | Float64Array | readonly string[];
}

/** A model of any kind gives its outputs as they are. */
export type OutputTensor = ValuesTensor | RawTensor;

/** An answer, before it is encoded for the one who asked. */
export interface Answer {
  readonly modelName: string;
  readonly modelVersion: string;
  readonly id: string;
  /** It is the declared fallback's. */
  readonly fallback: boolean;
  /** Of a tensor model, whose outputs are its own alone: goes into the parameters. */
  readonly predictionId?: string;
  /** Which versions answered how many of its rows. */
  readonly answeredBy: readonly { readonly version: string; readonly rows: number }[];
  readonly outputs: readonly OutputTensor[];
  /** How long was waited for the vectors and for the scores; undefined = the fallback answered. */
  readonly timesMs: { readonly features: number; readonly infer: number } | undefined;
}
