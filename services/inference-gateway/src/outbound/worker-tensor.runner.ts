import type { ModelVersion } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { RawTensor } from '#libs/tensors/raw-tensor.js';
import type { Signature } from '../domain/tensor-endpoint.js';
import { type TensorRun, TensorRunner } from '../domain/tensor-ports.js';
import type { WorkerPoolClient } from './worker-pool.client.js';

/** Models of any ONNX kind, on the workers. */
export class WorkerTensorRunner extends TensorRunner {
  constructor(private readonly pool: Pick<WorkerPoolClient, 'runTensors' | 'signatureOf'>) {
    super();
  }

  override async run({ version, tensors, outputs, lane, trace, untilMs }: TensorRun): Promise<RawTensor[]> {
    const batch = {
      onnxSha256: version.onnxSha256,
      tensors: tensors.map(({ name, datatype, shape, data }) => ({ name, datatype, shape: [...shape], data })),
      outputNames: [...outputs],
    };
    const result = await this.pool.runTensors(batch, lane, trace, untilMs);
    return result.tensors;
  }

  /** Outputs that are no tensors of the protocol's datatypes are left out. */
  override async prepare(version: ModelVersion): Promise<Signature> {
    const { inputs, outputs } = await this.pool.signatureOf(version.onnxSha256);
    const foreign = inputs.find(({ datatype }) => datatype === '');
    if (foreign !== undefined || inputs.length === 0)
      throw new MillraceError(
        'failed-precondition',
        inputs.length === 0
          ? `version ${version.version} of ${version.model}: no worker says what it takes; they are older than models of any kind`
          : `version ${version.version} of ${version.model}: its input ${foreign!.name} is of a type that cannot be carried`,
      );
    return { inputs, outputs: outputs.filter(({ datatype }) => datatype !== '') };
  }
}
