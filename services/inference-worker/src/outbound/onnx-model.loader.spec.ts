/** @jest-environment ./services/inference-worker/test/onnx-environment.mjs */
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ArtifactStore } from '#libs/storage/artifact-store.js';
import { encodeStrings } from '#libs/tensors/tensor-codec.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import type { ModelChecker } from '../domain/model-checker.js';
import type { NamedTensor } from '../domain/named-tensor.js';
import { fault, type Fault } from '../domain/outcome.js';
import type { LoadedModel } from '../domain/ports.js';
import { ModelTrial } from './model-trial.js';
import { OnnxModelLoader } from './onnx-model.loader.js';

const fixtures = join(projectRoot(), 'services/inference-worker/test/fixtures');

describe('OnnxModelLoader', () => {
  let folder: string;
  let store: ArtifactStore;
  let loader: OnnxModelLoader;
  const refusals = new Map<string, Fault>();
  let memoryBytes = 1_000;
  const checker: ModelChecker = { check: async (sha256) => refusals.get(sha256) ?? { ok: true, memoryBytes } };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-models-'));
    store = new ArtifactStore(folder);
    loader = new OnnxModelLoader(
      store,
      checker,
      new ModelTrial({ maxRows: 64, targetUs: 1_000_000 }, 1_000_000),
      10_000,
      50_000,
    );
  });
  afterAll(() => rm(folder, { recursive: true }));

  const put = async (bytes: Buffer): Promise<string> =>
    (
      await store.put(
        (async function* () {
          yield bytes;
        })(),
        1_000_000,
      )
    ).sha256;
  const putFixture = async (name: string): Promise<string> => put(await readFile(join(fixtures, `${name}.onnx`)));
  const loadFixture = async (name: string): Promise<LoadedModel> => {
    const outcome = await loader.load(await putFixture(name));
    if (!outcome.ok) throw new Error(outcome.message);
    return outcome.model;
  };
  const sigmoid = (score: number): number => 1 / (1 + Math.exp(-score));

  it('runs a binary model: both columns, row by row', async () => {
    const model = await loadFixture('binary');
    expect(model).toMatchObject({
      inputName: 'input',
      outputName: 'probabilities',
      features: 3,
      columns: 2,
      maxRows: 64,
    });
    const { output, tookUs } = await model.run(new Float32Array([1, 2, 3, -4, 0, 0.5]), 2);
    expect(tookUs).toBeGreaterThan(0);
    expect(tookUs).toBeLessThan(1_000_000);
    const expected = [0.5 - 2 + 6, -2 + 1].flatMap((score) => [1 - sigmoid(score), sigmoid(score)]);
    expect(output).toHaveLength(4);
    expected.forEach((value, i) => expect(output[i]).toBeCloseTo(value, 6));
    await model.release();
  });

  it('takes the one float output of a model that has a label too', async () => {
    const model = await loadFixture('labelled-regression');
    expect(model).toMatchObject({ outputName: 'score', columns: 1 });
    expect([...(await model.run(new Float32Array([2, 1, 1]), 1)).output]).toEqual([2]);
    await model.release();
  });

  it('lets NaN through: it is a missing value', async () => {
    const model = await loadFixture('binary');
    expect([...(await model.run(new Float32Array([NaN, 0, 0, 0, 0, 0]), 2)).output]).toEqual([NaN, NaN, 0.5, 0.5]);
    await model.release();
  });

  it('refuses a model that is not in the store', async () => {
    await expect(loader.load('0'.repeat(64))).resolves.toMatchObject({ ok: false, code: 'model-not-found' });
    await expect(loader.load('../../etc/passwd')).resolves.toMatchObject({ ok: false, code: 'model-not-found' });
  });

  it('refuses a model whose bytes are not those of its hash', async () => {
    const sha256 = await put(Buffer.from('as it was'));
    await writeFile(store.path(sha256), 'as it is');
    const actual = createHash('sha256').update('as it is').digest('hex');
    await expect(loader.load(sha256)).resolves.toMatchObject({
      code: 'hash-mismatch',
      message: expect.stringContaining(actual),
    });
  });

  it('does not load what its check refused', async () => {
    const sha256 = await putFixture('two-inputs');
    refusals.set(sha256, fault('run-failed', 'it hangs'));
    await expect(loader.load(sha256)).resolves.toMatchObject({ code: 'run-failed', message: 'it hangs' });
    refusals.clear();
  });

  it('does not load what takes more memory alone than all models have', async () => {
    memoryBytes = 50_001;
    await expect(loader.load(await putFixture('binary'))).resolves.toMatchObject({
      code: 'run-failed',
      message: expect.stringContaining('takes 50001 bytes of memory; all models together have 50000'),
    });
    memoryBytes = 50_000;
    await expect(loader.load(await putFixture('binary'))).resolves.toMatchObject({ model: { memoryBytes } });
  });

  it('does not read a file that is too large', async () => {
    await expect(loader.load(await put(Buffer.alloc(10_001)))).resolves.toMatchObject({
      code: 'run-failed',
      message: expect.stringContaining('has 10001 bytes; 10000 is the bound (MAX_MODEL_BYTES)'),
    });
  });

  it('refuses what is no ONNX model', async () => {
    const outcome = await loader.load(await put(Buffer.from('no model')));
    expect(outcome).toMatchObject({ code: 'run-failed', message: expect.stringContaining('no usable ONNX model') });
  });

  it.each([
    ['two-inputs', 'has 2 inputs, it must have 1'],
    ['any-width', 'input input is float32 [N, F], it must be float32 [N, <features>]'],
  ])('says why %s is not tabular', async (name, words) => {
    const { notTabular, features } = await loadFixture(name);
    expect({ notTabular, features }).toEqual({ notTabular: expect.stringContaining(words), features: 0 });
  });

  describe('on tensors by name', () => {
    const floats = (...values: number[]) => Buffer.from(new Float32Array(values).buffer);
    const ints = (...values: bigint[]) => Buffer.from(new BigInt64Array(values).buffer);
    const tensor = (name: string, datatype: string, shape: number[], data: Buffer): NamedTensor => ({
      name,
      datatype,
      shape,
      data,
    });
    const run = async (model: LoadedModel, tensors: NamedTensor[], names: string[] = []) => {
      const result = await model.runTensors(tensors, names);
      if ('ok' in result) throw new Error(result.message);
      return Object.fromEntries(result.tensors.map((one) => [one.name, one]));
    };

    it('runs text, whatever bytes it has', async () => {
      const model = await loadFixture('text');
      expect(model.inputs).toEqual([{ name: 'word', datatype: 'BYTES', shape: [-1, 1] }]);
      const words = encodeStrings(['größer', 'yes', 'no', '']);
      const { number } = await run(model, [tensor('word', 'BYTES', [4, 1], words)]);
      expect(number).toEqual(tensor('number', 'INT64', [4, 1], ints(2n, 1n, -1n, -1n)));
    });

    it('runs an image of any size, and computes what is asked for', async () => {
      const model = await loadFixture('image');
      expect(model.inputs).toEqual([{ name: 'image', datatype: 'FP32', shape: [-1, 3, -1, -1] }]);
      const image = tensor('image', 'FP32', [1, 3, 1, 2], floats(1, 2, 3, 4, 5, 6));
      const both = await run(model, [image]);
      expect(both['grey']).toEqual(tensor('grey', 'FP32', [1, 1, 1, 2], floats(4.5, 6)));
      expect(Object.keys(await run(model, [image], ['brightness']))).toEqual(['brightness']);
    });

    it('runs several inputs of several datatypes, in any order', async () => {
      const model = await loadFixture('mixed');
      const half = Buffer.from(new Uint16Array([0x3e00, 0xc000]).buffer); // 1.5, -2
      const answer = await run(model, [
        tensor('keep', 'BOOL', [2], Buffer.from([1, 0])),
        tensor('half', 'FP16', [2], half),
        tensor('count', 'INT64', [2], ints(4n, 2n ** 62n)),
      ]);
      expect(answer['kept']).toEqual(tensor('kept', 'INT64', [2], ints(4n, 0n)));
      expect(answer['total']!.data.readDoubleLE(0)).toBe(6);
      expect(answer['total']!.data.readDoubleLE(8)).toBe(-(2 ** 63));
    });

    it('runs a tabular model too', async () => {
      const model = await loadFixture('labelled-regression');
      expect(model.outputs.map(({ name, datatype }) => `${name} ${datatype}`)).toEqual(['label INT64', 'score FP32']);
      const { label, score } = await run(model, [tensor('input', 'FP32', [1, 3], floats(2, 1, 1))]);
      expect([label!.data.readBigInt64LE(), score!.data.readFloatLE()]).toEqual([2n, 2]);
    });

    it.each([
      [
        'another name',
        [tensor('images', 'FP32', [1, 3, 1, 1], floats(1, 2, 3))],
        /input images: the model has no such/,
      ],
      ['none', [], /input image: is missing/],
      ['another datatype', [tensor('image', 'FP64', [1, 3, 1, 1], Buffer.alloc(24))], /is FP64; the model reads FP32/],
      [
        'another rank',
        [tensor('image', 'FP32', [3], floats(1, 2, 3))],
        /has shape \[3\]; the model reads \[-1,3,-1,-1\]/,
      ],
      ['another size', [tensor('image', 'FP32', [1, 2, 1, 1], floats(1, 2))], /has shape \[1,2,1,1\]/],
      ['a size below 0', [tensor('image', 'FP32', [-1, 3, 1, -1], floats(1, 2, 3))], /has shape \[-1,3,1,-1\]/],
      ['too few bytes', [tensor('image', 'FP32', [1, 3, 2, 1], floats(1))], /4 bytes; 6 elements of FP32 are 24/],
    ])('names what is wrong with %s', async (_, tensors, words) => {
      const outcome = await (await loadFixture('image')).runTensors(tensors, []);
      expect(outcome).toMatchObject({ ok: false, code: 'bad-shape', message: expect.stringMatching(words) });
    });

    it.each([
      ['cut short', [5, 0, 0, 0, 65]],
      ['longer than its elements', [1, 0, 0, 0, 65, 0]],
      ['a count of elements that cannot be', []],
    ])('refuses text that is %s', async (_, bytes) => {
      const model = await loadFixture('text');
      const elements = bytes.length === 0 ? 2 ** 40 : 1;
      const outcome = await model.runTensors([tensor('word', 'BYTES', [elements, 1], Buffer.from(bytes))], []);
      expect(outcome).toMatchObject({ code: 'bad-shape', message: expect.stringMatching(/each after its length/) });
    });

    it('bounds what is answered, and knows no output that the model has not', async () => {
      const model = await loadFixture('image');
      const large = tensor('image', 'FP32', [1, 3, 600, 600], Buffer.alloc(3 * 600 * 600 * 4));
      await expect(model.runTensors([large], [])).rejects.toThrow(/more than 1000000 bytes.*MAX_OUTPUT_BYTES/);
      expect(await model.runTensors([large], ['colour'])).toMatchObject({
        message: expect.stringMatching(/no such output/),
      });
    });
  });
});
