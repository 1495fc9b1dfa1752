import type { ModelVersion } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { TraceContext } from '#libs/telemetry/trace-context.js';
import type { RawTensor } from '#libs/tensors/raw-tensor.js';
import type { RunLane } from './ports.js';
import type { Signature } from './tensor-endpoint.js';

/** One request to a model of any kind. */
export interface TensorRun {
  readonly version: ModelVersion;
  readonly tensors: readonly RawTensor[];
  /** Empty = all. */
  readonly outputs: readonly string[];
  readonly lane: RunLane;
  readonly trace: TraceContext | undefined;
  /** When its caller waits no longer, epoch ms; left out = never. */
  readonly untilMs?: number;
}

/** Where models of any kind run: on a worker, or on a server elsewhere. */
export abstract class TensorRunner {
  /**
   * @returns the outputs that were asked for, in that order; all of them in the model's
   * @throws LateRequest where its caller's time was over first @throws MillraceError invalid-argument (the request, as the model says), unavailable, deadline-exceeded, resource-exhausted, internal
   */
  abstract run(run: TensorRun): Promise<RawTensor[]>;
  /** What the model takes and gives, once it can be asked. @throws MillraceError where it cannot */
  abstract prepare(version: ModelVersion): Promise<Signature>;
}
