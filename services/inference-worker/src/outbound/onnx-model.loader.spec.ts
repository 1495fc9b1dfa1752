/** @jest-environment ./services/inference-worker/test/onnx-environment.mjs */
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ArtifactStore } from '#libs/storage/artifact-store.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import type { LoadedModel } from '../domain/ports.js';
import { OnnxModelLoader } from './onnx-model.loader.js';

const fixtures = join(projectRoot(), 'services/inference-worker/test/fixtures');

describe('OnnxModelLoader', () => {
  let folder: string;
  let store: ArtifactStore;
  let loader: OnnxModelLoader;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-models-'));
    store = new ArtifactStore(folder);
    loader = new OnnxModelLoader(store, { maxRows: 64, targetUs: 1_000_000 });
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

  it('refuses what is no ONNX model', async () => {
    const outcome = await loader.load(await put(Buffer.from('no model')));
    expect(outcome).toMatchObject({ code: 'run-failed', message: expect.stringContaining('no usable ONNX model') });
  });

  it.each([
    ['two-inputs', 'has 2 inputs, it must have 1'],
    ['any-width', 'input input is float32 [N, F], it must be float32 [N, <features>]'],
  ])('refuses %s', async (name, words) => {
    const outcome = await loader.load(await putFixture(name));
    expect(outcome).toMatchObject({ code: 'bad-shape', message: expect.stringContaining(words) });
  });
});
