import type { ModelVersion } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { RawTensor } from '#libs/tensors/raw-tensor.js';
import type { Signature } from '../domain/tensor-endpoint.js';
import { type TensorRun, TensorRunner } from '../domain/tensor-ports.js';

/** A version runs where it says: elsewhere where it has an upstream, else on a worker. */
export class AnyTensorRunner extends TensorRunner {
  constructor(
    private readonly workers: TensorRunner,
    private readonly upstreams: TensorRunner,
  ) {
    super();
  }

  override run(run: TensorRun): Promise<RawTensor[]> {
    return this.of(run.version).run(run);
  }

  override prepare(version: ModelVersion): Promise<Signature> {
    return this.of(version).prepare(version);
  }

  private of({ upstream }: ModelVersion): TensorRunner {
    return upstream === undefined ? this.workers : this.upstreams;
  }
}
