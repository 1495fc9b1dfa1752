import { createHash } from 'node:crypto';
import type { RawTensor } from '#libs/tensors/raw-tensor.js';
import type { ResponseCache } from './response-cache.js';
import { originOf, type TensorPlan } from './tensor-endpoint.js';
import type { TensorRun, TensorRunner } from './tensor-ports.js';

export interface CachedOutputs {
  readonly outputs: readonly RawTensor[];
  readonly cached: boolean;
}

/** Outputs of a model of any kind, without a run where the same version was asked for the same outputs of the same inputs, byte for byte. */
export class CachedTensorRunner {
  constructor(
    private readonly runner: TensorRunner,
    private readonly cache: ResponseCache,
  ) {}

  /** @throws what the runner throws; then nothing is kept */
  async run({ name, cache: policy }: TensorPlan, run: TensorRun): Promise<CachedOutputs> {
    const key = keyOf(run);
    const found = this.cache.get(name, key);
    const isHit = typeof found === 'object';
    this.cache.told(name, isHit ? 1 : 0, isHit ? 0 : 1);
    if (isHit) return { outputs: found, cached: true };
    const outputs = await this.runner.run(run);
    // Copied: they are parts of a message, which would be kept whole.
    const kept = outputs.map((output) => ({ ...output, data: Buffer.from(output.data) }));
    const bytes = kept.reduce((sum, output) => sum + output.data.length + headBytes, 0);
    this.cache.put(name, policy!, key, kept, bytes);
    return { outputs, cached: false };
  }
}

/** Of a tensor: its name, datatype, shape, and the objects that carry them. About. */
const headBytes = 400;

/** SHA-256 of all that a run depends on; lengths go before bytes, so that no two say the same. */
function keyOf({ version, tensors, outputs }: TensorRun): string {
  const heads = tensors.map(({ name, datatype, shape, data }) => [name, datatype, shape, data.length]);
  const hash = createHash('sha256').update(JSON.stringify([originOf(version), version.version, outputs, heads]));
  for (const { data } of tensors) hash.update(data);
  return hash.digest('base64');
}
