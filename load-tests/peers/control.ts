import { readFileSync } from 'node:fs';
import { Server, ServerCredentials, type sendUnaryData, type ServerUnaryCall } from '@grpc/grpc-js';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import {
  GRPCInferenceServiceService,
  ModelInferResponse,
  type ModelInferRequest,
} from '#libs/contracts/generated/inference/v2/inference.js';

/** The bare control: stock @grpc/grpc-js with a static codec, and the model in the same process with natural batching. No identity, no routing, no log, no checks. `node control.js MODEL.onnx PORT` */
const [file, port] = process.argv.slice(2);
const session = await InferenceSession.create(readFileSync(file!), {
  executionProviders: ['cpu'],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  enableCpuMemArena: false,
});
const outputName = session.outputMetadata.find((output) => output.isTensor && output.type === 'float32')!.name;
const features = 20;

interface Waiting {
  readonly call: ServerUnaryCall<ModelInferRequest, ModelInferResponse>;
  readonly answer: sendUnaryData<ModelInferResponse>;
}
let waiting: Waiting[] = [];

function infer(call: Waiting['call'], answer: Waiting['answer']): void {
  if (waiting.length === 0) setImmediate(() => void flush());
  waiting.push({ call, answer });
}

async function flush(): Promise<void> {
  const batch = waiting;
  waiting = [];
  const raws = batch.map(({ call }) => call.request.rawInputContents[0]!);
  const input = new Float32Array(raws.reduce((sum, raw) => sum + raw.length, 0) / 4);
  let at = 0;
  for (const raw of raws) {
    Buffer.from(input.buffer).set(raw, at);
    at += raw.length;
  }
  const rows = input.length / features;
  const result = await session.run({ input: new Tensor('float32', input, [rows, features]) }, [outputName]);
  const scores = result[outputName]!.data as Float32Array;
  const columns = scores.length / rows;
  let row = 0;
  for (const [i, { call, answer }] of batch.entries()) {
    const count = raws[i]!.length / 4 / features;
    const mine = new Float32Array(count);
    for (let k = 0; k < count; k++) mine[k] = scores[(row + k + 1) * columns - 1]!;
    row += count;
    const output = { name: 'probability', datatype: 'FP32', shape: [count], parameters: {}, contents: undefined };
    answer(
      null,
      ModelInferResponse.create({
        modelName: call.request.modelName,
        modelVersion: '1',
        id: call.request.id,
        outputs: [output],
        rawOutputContents: [Buffer.from(mine.buffer)],
      }),
    );
  }
}

const server = new Server({ 'grpc.enable_channelz': 0 });
const unserved = Object.keys(GRPCInferenceServiceService).map((name) => [
  name,
  (_: unknown, answer: sendUnaryData<unknown>) => answer({ code: 12 }),
]);
server.addService(GRPCInferenceServiceService, { ...Object.fromEntries(unserved), modelInfer: infer } as never);
server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error) => {
  if (error) throw error;
  console.log('listening');
});
