import { InferenceSession, Tensor } from 'onnxruntime-node';
import { type Fault, fault } from '../domain/outcome.js';
import type { ModelRun } from '../domain/ports.js';

/** One thread a session: batches, not threads, are what makes small models fast. The memory arena grows with every model loaded, so it is off. */
const sessionOptions: InferenceSession.SessionOptions = {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
  enableCpuMemArena: false,
  // Fatal alone: what fails is thrown and told to who asked; otherwise every request that a model cannot run would be a line here.
  logSeverityLevel: 4,
};

export interface ModelContract {
  readonly inputName: string;
  readonly outputName: string;
  readonly features: number;
}

/**
 * Throws what onnxruntime says where the bytes are no model. Blocks the thread: about 8 ms for 100 trees, 150 ms for 500.
 * @param providers onnxruntime's names of them, the preferred first; what none of them can run is the processor's
 */
export async function createSession(
  bytes: Uint8Array,
  providers: readonly string[] = ['cpu'],
): Promise<InferenceSession> {
  return InferenceSession.create(bytes, { ...sessionOptions, executionProviders: [...providers] });
}

/** What a tabular model has: one input, float32 [N, F] with F written in the model, and exactly one float32 output (others are not computed). A fault says why it is none. */
export function readContract(session: InferenceSession, sha256: string): ModelContract | Fault {
  const [input, ...moreInputs] = session.inputMetadata;
  if (input === undefined || moreInputs.length > 0)
    return fault('bad-shape', `model ${sha256} has ${session.inputMetadata.length} inputs, it must have 1`);
  const features = input.isTensor && input.type === 'float32' && input.shape.length === 2 ? input.shape[1] : undefined;
  if (typeof features !== 'number' || features < 1)
    return fault('bad-shape', `model ${sha256}: input ${describe(input)}, it must be float32 [N, <features>]`);
  const outputs = session.outputMetadata.filter((output) => output.isTensor && output.type === 'float32');
  const [output] = outputs;
  if (output === undefined || outputs.length > 1)
    return fault('bad-shape', `model ${sha256} has ${outputs.length} float32 outputs, it must have 1`);
  return { inputName: input.name, outputName: output.name, features };
}

/**
 * @param input row-major [rows, features]
 * @returns the output, row-major [rows, columns], and how many columns; an output [rows] has one
 * @throws Error when onnxruntime does, or when the output has not `rows` rows of float32
 */
export async function runSession(
  session: InferenceSession,
  contract: ModelContract,
  input: Float32Array,
  rows: number,
): Promise<ModelRun & { columns: number }> {
  const feeds = { [contract.inputName]: new Tensor('float32', input, [rows, contract.features]) };
  // run() does its work, all of it synchronous, in an immediate: ours comes right before, so that the time is the model's and not that of what the event loop did first.
  let beganMs = 0;
  setImmediate(() => (beganMs = performance.now()));
  const result = await session.run(feeds, [contract.outputName]);
  const tookUs = (performance.now() - beganMs) * 1_000;
  const tensor = result[contract.outputName];
  const [outRows, columns = 1, ...more] = tensor?.dims ?? [];
  if (tensor?.type !== 'float32' || outRows !== rows || more.length > 0)
    throw new Error(`output ${contract.outputName} is ${tensor?.type} [${tensor?.dims}] for ${rows} rows`);
  return { output: tensor.data as Float32Array, columns, tookUs };
}

function describe(value: InferenceSession.ValueMetadata): string {
  return value.isTensor ? `${value.name} is ${value.type} [${value.shape.join(', ')}]` : `${value.name} is no tensor`;
}
