import { ModelInferRequest } from '#libs/contracts/generated/inference/v2/inference.js';
import { ModelVersion } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { elementsOfRaw, type RawTensor } from '#libs/tensors/raw-tensor.js';
import { originOf, type Signature, type TensorEndpoint, tensorEndpoint } from '../src/domain/tensor-endpoint.js';
import { TensorMirror } from '../src/domain/tensor-mirror.js';
import { type TensorRun, TensorRunner } from '../src/domain/tensor-ports.js';
import { TensorPredictor } from '../src/domain/tensor-predictor.js';
import { fromMessage, toMessage } from '../src/inbound/infer-message.js';
import { FakeLog } from './fakes.js';

/** The mixed model of the worker's fixtures: total = half * count, kept = keep ? count : 0. */
export const mixed: Signature = {
  inputs: [
    { name: 'half', datatype: 'FP16', shape: [-1] },
    { name: 'count', datatype: 'INT64', shape: [-1] },
    { name: 'keep', datatype: 'BOOL', shape: [-1] },
  ],
  outputs: [
    { name: 'total', datatype: 'FP64', shape: [-1] },
    { name: 'kept', datatype: 'INT64', shape: [-1] },
  ],
};

const version = ModelVersion.fromPartial({ model: 'any', version: '1', onnxSha256: 'a' });
export const candidateVersion = ModelVersion.fromPartial({ model: 'any', version: '2', onnxSha256: 'b' });

/** Computes what the mixed model does. */
export class FakeTensorRunner extends TensorRunner {
  readonly signature: Signature = mixed;
  readonly signatures = new Map<string, Signature>();
  readonly prepared: string[] = [];
  readonly runs: { version: string; lane: string }[] = [];
  readonly errors = new Map<string, MillraceError>();
  /** Versions that never answer. */
  readonly hanging = new Set<string>();

  override async run({ version, tensors, outputs, lane }: TensorRun): Promise<RawTensor[]> {
    this.runs.push({ version: version.version, lane });
    const error = this.errors.get(version.version);
    if (error !== undefined) throw error;
    if (this.hanging.has(version.version)) await new Promise(() => undefined);
    for (const { name } of mixed.inputs)
      if (!tensors.some((tensor) => tensor.name === name))
        throw new MillraceError('invalid-argument', `input ${name}: is missing`);
    const values = (name: string) => elementsOfRaw(tensors.find((tensor) => tensor.name === name)!).map(Number);
    const [half, count, keep] = [values('half'), values('count'), values('keep')];
    if (half.length !== count.length)
      throw new MillraceError('invalid-argument', `half has ${half.length} elements, count ${count.length}`);
    const shape = [half.length];
    const total = Float64Array.from(half, (value, i) => value * count[i]!);
    const kept = BigInt64Array.from(count, (value, i) => BigInt(keep[i] === 1 ? value : 0));
    const all = {
      total: { name: 'total', datatype: 'FP64', shape, data: Buffer.from(total.buffer) },
      kept: { name: 'kept', datatype: 'INT64', shape, data: Buffer.from(kept.buffer) },
    };
    return (outputs.length === 0 ? ['total', 'kept'] : outputs).map((name) => all[name as 'total' | 'kept']);
  }

  override async prepare(version: ModelVersion): Promise<Signature> {
    this.prepared.push(originOf(version));
    return this.signatures.get(originOf(version)) ?? this.signature;
  }
}

const plan = { name: 'any', model: 'any', task: 'tensors' } as const;
export const anyEndpoint: TensorEndpoint = tensorEndpoint(plan, version, mixed);

export function tried(percent: number, mirror = false): TensorEndpoint {
  return tensorEndpoint(plan, version, mixed, { version: candidateVersion, rolloutId: 'r', step: 1, percent, mirror });
}

export function setUpTensors(endpoint: TensorEndpoint = anyEndpoint, random = () => 0, isBusy = () => false) {
  const [runner, log] = [new FakeTensorRunner(), new FakeLog()];
  const mirror = new TensorMirror(runner, log, 2, 1_000, isBusy);
  const limits = { maxRequestBytes: 100, maxBytesInFlight: 150 };
  const predictor = new TensorPredictor(runner, log, mirror, limits, random);
  const infer = async (request: object) => {
    const message = ModelInferRequest.fromPartial({ modelName: 'any', id: 'r1', ...request });
    const read = fromMessage(endpoint, message);
    return toMessage(await predictor.infer(endpoint, read, 'tester', Number.POSITIVE_INFINITY));
  };
  return { runner, log, mirror, predictor, infer };
}

/** half = 0.5 and 2 (FP16 0x3800, 0x4000), count = 4 and 5, keep = true and false. */
export const two = {
  inputs: [
    { name: 'half', datatype: 'FP16', shape: [2] },
    { name: 'count', datatype: 'INT64', shape: [2] },
    { name: 'keep', datatype: 'BOOL', shape: [2] },
  ],
  rawInputContents: [Buffer.from('00380040', 'hex'), Buffer.from(BigInt64Array.of(4n, 5n).buffer), Buffer.from([1, 0])],
};
