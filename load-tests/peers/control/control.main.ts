import {
  Server,
  ServerCredentials,
  status,
  type ServiceError,
  type sendUnaryData,
  type ServerUnaryCall,
} from '@grpc/grpc-js';
import { readFileSync } from 'node:fs';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import {
  GRPCInferenceServiceService,
  type ModelInferRequest,
  ModelInferResponse,
} from '#libs/contracts/generated/inference/v2/inference.js';
import { float32Bytes, float32View } from '#libs/tensors/tensor-codec.js';

/**
 * `control.main.js <model file> <port>`: the least that answers ModelInfer in Node. One process, stock @grpc/grpc-js with a static codec, the model in the same
 * process, and everything that waits when the event loop turns in one run. No identity, no log, no metrics, no bounds.
 */
const [, , file, port] = process.argv as [string, string, string, string];
const maxRunRows = 256;
const session = await InferenceSession.create(readFileSync(file), {
  executionProviders: ['cpu'],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  enableCpuMemArena: false,
});
const [inputName, outputName] = [session.inputNames[0]!, session.outputNames[0]!];

interface Waiting {
  readonly rows: number;
  readonly features: Float32Array;
  readonly request: ModelInferRequest;
  readonly answer: sendUnaryData<ModelInferResponse>;
}
let waiting: Waiting[] = [];
let running = false;

async function runAll(): Promise<void> {
  running = true;
  while (waiting.length > 0) {
    const batch: Waiting[] = [];
    let rows = 0;
    while (waiting.length > batch.length && (batch.length === 0 || rows + waiting[batch.length]!.rows <= maxRunRows)) {
      rows += waiting[batch.length]!.rows;
      batch.push(waiting[batch.length]!);
    }
    waiting = waiting.slice(batch.length);
    await runBatch(batch, rows);
  }
  running = false;
}

async function runBatch(batch: readonly Waiting[], rows: number): Promise<void> {
  const width = batch[0]!.features.length / batch[0]!.rows;
  const input = new Float32Array(rows * width);
  let at = 0;
  for (const { features } of batch) {
    input.set(features, at);
    at += features.length;
  }
  try {
    const result = await session.run({ [inputName]: new Tensor('float32', input, [rows, width]) });
    const scores = result[outputName]!.data as Float32Array;
    let first = 0;
    for (const one of batch) {
      const output = scores.slice(first, first + one.rows);
      first += one.rows;
      one.answer(null, respond(one, output));
    }
  } catch (error) {
    for (const { answer } of batch) answer({ code: status.INTERNAL, message: String(error) } as ServiceError);
  }
}

function respond({ request, rows }: Waiting, output: Float32Array): ModelInferResponse {
  return {
    modelName: request.modelName,
    modelVersion: '1',
    id: request.id,
    parameters: {},
    outputs: [{ name: outputName, datatype: 'FP32', shape: [rows, 1], parameters: {}, contents: undefined }],
    rawOutputContents: [float32Bytes(output)],
  };
}

function modelInfer(
  { request }: ServerUnaryCall<ModelInferRequest, ModelInferResponse>,
  answer: sendUnaryData<ModelInferResponse>,
): void {
  const rows = request.inputs[0]!.shape[0]!;
  waiting.push({ rows, features: float32View(request.rawInputContents[0]!), request, answer });
  if (!running && waiting.length === 1) setImmediate(() => void runAll());
}

const unbuilt = (_call: unknown, answer: sendUnaryData<never>): void =>
  answer({ code: status.UNIMPLEMENTED, message: 'not built' } as ServiceError);
const server = new Server();
server.addService(GRPCInferenceServiceService, {
  ...Object.fromEntries(Object.keys(GRPCInferenceServiceService).map((name) => [name, unbuilt])),
  modelInfer,
});
server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error) => {
  if (error !== null) throw error;
  console.log('listening');
});
