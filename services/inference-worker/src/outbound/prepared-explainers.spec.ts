/** @jest-environment ./services/inference-worker/test/onnx-environment.mjs */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Background } from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import { ArtifactStore } from '#libs/storage/artifact-store.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { regressorV3 } from '../../test/tree-models.js';
import type { ExplanationQuestion } from '../domain/explanation.js';
import { PreparedExplainers } from './prepared-explainers.js';

const bytesOf = (...cells: number[]) => Buffer.from(Float32Array.from(cells).buffer);
const split = { mode: 0, threshold: 0, missingYes: true };

describe('PreparedExplainers', () => {
  let folder: string;
  let store: ArtifactStore;
  let explainers: PreparedExplainers;
  let linear: string;
  let trees: string;
  let background: string;

  const put = async (bytes: Uint8Array): Promise<string> =>
    (
      await store.put(
        (async function* () {
          yield bytes;
        })(),
        1_000_000,
      )
    ).sha256;
  const backgroundOf = (features: number, ...cells: number[]) =>
    put(Background.encode({ features, rows: bytesOf(...cells) }).finish());

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-explainers-'));
    store = new ArtifactStore(folder);
    explainers = new PreparedExplainers(store);
    linear = await put(await readFile(join(projectRoot(), 'services/inference-worker/test/fixtures/binary.onnx')));
    trees = await put(regressorV3([{ ...split, feature: 2, yes: 5, no: 1 }], 3, 0.5));
    background = await backgroundOf(3, 1, 1, 1, 3, -1, -1);
  });
  afterAll(() => rm(folder, { recursive: true }));

  const ask = (fields: Partial<ExplanationQuestion>) =>
    explainers.answer({
      onnxSha256: linear,
      backgroundSha256: background,
      rows: 1,
      features: 3,
      input: bytesOf(1, 2, 3),
      output: bytesOf(1 / (1 + Math.exp(4.5)), 1 / (1 + Math.exp(-4.5))),
      columns: 2,
      timeoutMs: 10_000,
      ...fields,
    });

  it('asks a model without trees, in log odds: weight times distance from the mean, where it is linear', async () => {
    const answer = await ask({});
    if (!answer.ok) throw new Error(answer.message);
    expect(answer.by).toBe('permutation-shap');
    expect(answer.baseValue).toBeCloseTo(1, 5);
    const expected = [0.5 * (1 - 2), -1 * (2 - 0), 2 * (3 - 0)];
    for (let i = 0; i < 3; i++) expect(answer.contributions[i]).toBeCloseTo(expected[i]!, 3);
  });

  it('explains trees exactly, a missing value too', async () => {
    const question = { onnxSha256: trees, columns: 1, rows: 2, input: bytesOf(0, 0, 1, 0, 0, Number.NaN) };
    const answer = await ask({ ...question, output: bytesOf(1.5, 5.5) });
    expect(answer).toEqual({
      ok: true,
      contributions: Float64Array.from([0, 0, -2, 0, 0, 2]),
      baseValue: 3.5,
      by: 'tree-shap',
    });
  });

  it('names what is missing, damaged, of another shape, or too late', async () => {
    const codeOf = async (fields: Partial<ExplanationQuestion>) => {
      const answer = await ask(fields);
      return answer.ok ? 'ok' : answer.code;
    };
    expect(await codeOf({ onnxSha256: 'f'.repeat(64) })).toBe('model-not-found');
    expect(await ask({ backgroundSha256: 'e'.repeat(64) })).toMatchObject({
      code: 'model-not-found',
      message: expect.stringMatching(/^background: artifact eeee/),
    });
    const damaged = await backgroundOf(3, 7, 7, 7);
    await writeFile(store.path(damaged), 'other');
    expect(await codeOf({ backgroundSha256: damaged })).toBe('hash-mismatch');
    expect(await codeOf({ backgroundSha256: await put(Buffer.from([7, 7])) })).toBe('bad-shape');
    expect(await codeOf({ backgroundSha256: await backgroundOf(2, 1, 1) })).toBe('bad-shape');
    expect(await codeOf({ backgroundSha256: await backgroundOf(3) })).toBe('bad-shape');
    expect(await codeOf({ backgroundSha256: await backgroundOf(3, 1, 1) })).toBe('bad-shape');
    expect(await codeOf({ timeoutMs: 0 })).toBe('deadline');
    expect(await codeOf({})).toBe('ok');
  });

  it('keeps 8 of them, and prepares again what was pushed out', async () => {
    for (let i = 0; i < 9; i++) expect((await ask({ backgroundSha256: await backgroundOf(3, i, i, i) })).ok).toBe(true);
    expect((await ask({ backgroundSha256: await backgroundOf(3, 0, 0, 0) })).ok).toBe(true);
  });
});
