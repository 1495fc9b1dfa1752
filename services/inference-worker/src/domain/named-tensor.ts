/** What a model takes or gives by one name. */
export interface TensorSpec {
  readonly name: string;
  /** Open Inference Protocol; empty = it cannot be carried. */
  readonly datatype: string;
  /** -1 = any. */
  readonly shape: readonly number[];
}

/** One tensor of a request or an answer. */
export interface NamedTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: number[];
  /** Row-major little-endian; BYTES: each element after its length, uint32. */
  readonly data: Buffer;
}
