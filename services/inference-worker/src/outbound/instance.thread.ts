import { parentPort, workerData } from 'node:worker_threads';
import { errorMessage } from '#libs/errors/millrace-error.js';
import type { LoadedModel } from '../domain/ports.js';
import type { Answer, FromInstance, InstanceSettings, Order, ToInstance } from './instance-messages.js';
import { ModelTrial } from './model-trial.js';

/** The program of an instance's thread: sessions of its own, one run at a time. */
const { limit, maxOutputBytes, providers } = workerData as InstanceSettings;
const trial = new ModelTrial(limit, maxOutputBytes, providers);
const models = new Map<number, Omit<LoadedModel, 'memoryBytes'>>();

parentPort!.on('message', ({ id, ...order }: ToInstance) => {
  carryOut(order).then(
    (answer) => post({ id, answer }),
    (error: unknown) => post({ id, error: errorMessage(error) }),
  );
});

function post(message: FromInstance): void {
  const output = 'answer' in message && message.answer !== undefined && 'output' in message.answer;
  parentPort!.postMessage(
    message,
    output ? [(message.answer as { output: Float32Array }).output.buffer as ArrayBuffer] : [],
  );
}

async function carryOut(order: Order): Promise<Answer> {
  if (order.kind === 'load') return load(order.model, order.bytes, order.sha256);
  const model = models.get(order.model);
  if (model === undefined) throw new Error('the model is not loaded in this instance');
  if (order.kind === 'run') return model.run(order.input, order.rows);
  if (order.kind === 'run-tensors') {
    // Over a thread's border a Buffer is a Uint8Array.
    const tensors = order.tensors.map((tensor) => ({ ...tensor, data: Buffer.from(tensor.data) }));
    return model.runTensors(tensors, order.names);
  }
  models.delete(order.model);
  await model.release();
  return undefined;
}

async function load(number: number, bytes: Uint8Array, sha256: string): Promise<Answer> {
  const outcome = await trial.make(bytes, sha256, performance.now());
  if (!outcome.ok) return outcome;
  models.set(number, outcome.model);
  const { run: _run, runTensors: _runTensors, release: _release, ...model } = outcome.model;
  return { ok: true, model };
}
