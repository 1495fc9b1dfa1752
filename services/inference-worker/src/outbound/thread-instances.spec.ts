import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { encodeStrings } from '#libs/tensors/tensor-codec.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { heavyModel, heavyWidth } from '../../test/heavy-model.js';
import { ThreadInstances } from './thread-instances.js';

const built = join(projectRoot(), 'dist/services/inference-worker/src/outbound/instance.thread.js');
const fixture = (name: string) => readFile(join(projectRoot(), `services/inference-worker/test/fixtures/${name}.onnx`));
const failures: Error[] = [];
let instances: ThreadInstances;

beforeAll(() => {
  const settings = { limit: { maxRows: 256, targetUs: 1e9 }, maxOutputBytes: 1e6, providers: ['cpu'] };
  instances = new ThreadInstances(2, settings, (error) => failures.push(error), pathToFileURL(built));
});
afterAll(() => instances.close());

async function load(bytes: Uint8Array) {
  const outcome = await instances.make(bytes, 'a-model', performance.now());
  if (!outcome.ok) throw new Error(outcome.message);
  return outcome.model;
}

it('every instance answers what the model says, of rows and of tensors by name', async () => {
  const model = await load(await fixture('binary'));
  expect(model).toMatchObject({ features: 3, columns: 2, maxRows: 256, outputName: 'probabilities' });
  const runs = await Promise.all([0, 1, 2, 3].map((a) => model.run(Float32Array.of(a, 1, 0, -a, 1, 0), 2)));
  for (const [a, { output, tookUs }] of runs.entries()) {
    const [first, second] = [a, -a].map((x) => 1 / (1 + Math.exp(-(0.5 * x - 1))));
    expect([output[1], output[3]]).toEqual([expect.closeTo(first!, 5), expect.closeTo(second!, 5)]);
    expect(tookUs).toBeGreaterThan(0);
  }
  const data = Buffer.concat([Buffer.alloc(1), Buffer.from(Float32Array.of(1, 1, 0).buffer)]).subarray(1);
  const asked = [{ name: 'input', datatype: 'FP32', shape: [1, 3], data }];
  const both = await Promise.all([0, 1].map(() => model.runTensors(asked, ['probabilities'])));
  for (const answer of both) {
    if ('ok' in answer) throw new Error(answer.message);
    expect(answer.tensors[0]!.data.readFloatLE(4)).toBeCloseTo(1 / (1 + Math.exp(0.5)), 5);
  }
  expect(data.length).toBe(12); // still its owner's
  await model.release();
  await expect(model.run(Float32Array.of(0, 0, 0), 1)).rejects.toThrow('not loaded');
});

it('carries text there and back, and says what is wrong with a model and with a request', async () => {
  const model = await load(await fixture('text'));
  const ask = (data: Buffer) => model.runTensors([{ name: 'word', datatype: 'BYTES', shape: [1, 1], data }], []);
  expect(await ask(Buffer.from([1]))).toMatchObject({ code: 'bad-shape' });
  const answer = await ask(encodeStrings(['größer']));
  if ('ok' in answer) throw new Error(answer.message);
  expect(answer.tensors.map(({ name, data }) => [name, data.readBigInt64LE(0)])).toEqual([['number', 2n]]);
  expect(await instances.make(Buffer.from('no model'), 'x', 0)).toMatchObject({ ok: false, code: 'run-failed' });
});

it('A model that takes long holds neither another model nor the event loop.', async () => {
  const [heavy, light] = [await load(heavyModel()), await load(await fixture('binary'))];
  const order: string[] = [];
  let turns = 0;
  const turn = (): void => void (order.includes('heavy') || ((turns += 1), setImmediate(turn)));
  turn();
  const long = heavy.run(new Float32Array(256 * heavyWidth), 256).then(({ tookUs }) => (order.push('heavy'), tookUs));
  for (let i = 0; i < 3; i += 1) await light.run(Float32Array.of(1, 2, 3), 1).then(() => order.push('light'));
  expect(await long).toBeGreaterThan(20_000);
  expect(order).toEqual(['light', 'light', 'light', 'heavy']);
  expect(turns).toBeGreaterThan(20);
});

it('an instance that ends by itself is told', async () => {
  const told: Error[] = [];
  const settings = { limit: { maxRows: 1, targetUs: 1 }, maxOutputBytes: 1, providers: ['cpu'] };
  const gone = new ThreadInstances(
    1,
    settings,
    (error) => told.push(error),
    new URL('data:text/javascript,process.exit(3)'),
  );
  await expect(gone.make(Buffer.alloc(1), 'x', 0)).rejects.toThrow('an instance has ended');
  expect(told).toHaveLength(1);
  expect(failures).toEqual([]);
});
