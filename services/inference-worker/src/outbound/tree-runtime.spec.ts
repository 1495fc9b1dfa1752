/** @jest-environment ./services/inference-worker/test/onnx-environment.mjs */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { marginOf } from '#libs/numeric/shapley/tree-ensemble.js';
import { readOnnxModel } from '#libs/onnx/read-model.js';
import { readTreeModel } from '#libs/onnx/tree-model.js';
import { ensembleV5, regressorV3, type Tree } from '../../test/tree-models.js';
import { createSession, readContract, runSession } from './onnx-session.js';

const features = 3;
const leaf = fc.integer({ min: -8, max: 8 }).map((value) => value / 4); // sums are exact in float32
const thresholds = [-1, 0, 0.5, 1, 0.1];
/** Each threshold, one step of float32 around 0.1, and what only few comparisons expect. */
const cell = fc.constantFrom(...thresholds, 0.100_000_01, 0.099_999_99, 2, -0, Number.NaN, Infinity, -Infinity);

const treeOf = (depth: number, modes: readonly number[]): fc.Arbitrary<Tree> =>
  depth === 0
    ? leaf
    : fc.oneof(
        { weight: 1, arbitrary: leaf as fc.Arbitrary<Tree> },
        {
          weight: 5,
          arbitrary: fc.record({
            feature: fc.nat(features - 1),
            mode: fc.constantFrom(...modes),
            threshold: fc.constantFrom(...thresholds),
            missingYes: fc.boolean(),
            yes: treeOf(depth - 1, modes),
            no: treeOf(depth - 1, modes),
          }),
        },
      );

const rows = fc.array(cell, { minLength: 12 * features, maxLength: 12 * features });

async function compare(bytes: Buffer, cells: readonly number[]): Promise<void> {
  const [input, trees] = [Float32Array.from(cells), readTreeModel(readOnnxModel(bytes))];
  const count = input.length / features;
  const session = await createSession(bytes);
  const contract = readContract(session, 'trees');
  if ('ok' in contract) throw new Error(contract.message);
  const { output } = await runSession(session, contract, input, count);
  await session.release();
  expect(Array.from({ length: count }, (_, row) => marginOf(trees, input, row * features))).toEqual([...output]);
}

describe('trees are evaluated as onnxruntime does, missing values and float32 thresholds included', () => {
  it.each([
    ['BRANCH_LEQ', [0]],
    ['BRANCH_LT', [1]],
    ['BRANCH_GTE', [2]],
    ['BRANCH_GT', [3]],
    ['BRANCH_EQ', [4]],
    ['BRANCH_NEQ', [5]],
    ['all of them', [0, 1, 2, 3, 4, 5]],
  ])('ai.onnx.ml 3: %s', async (_, modes) => {
    const models = fc.array(treeOf(4, modes), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(models, rows, (trees, cells) => compare(regressorV3(trees, features, 0.25), cells)),
      { numRuns: 60, seed: 20_010_414 },
    );
  });

  it.each([
    ['BRANCH_LEQ', [0]],
    ['BRANCH_EQ', [4]],
    ['BRANCH_MEMBER', [6]],
    ['all of them', [0, 1, 2, 3, 4, 5, 6]],
  ])('ai.onnx.ml 5: %s', async (_, modes) => {
    const models = fc.array(treeOf(4, modes), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(models, rows, (trees, cells) => compare(ensembleV5(trees, features), cells)),
      { numRuns: 60, seed: 20_010_414 },
    );
  });

  it('averages where the model does', async () => {
    const model = regressorV3([2, 4, -1], 1, 0.5, [['aggregate_function', 's', 'AVERAGE']]);
    expect(marginOf(readTreeModel(readOnnxModel(model)), new Float32Array(3))).toBeCloseTo(0.5 + 5 / 3, 6);
    const minimum = regressorV3([2, 4], 1, 0, [['aggregate_function', 's', 'MIN']]);
    expect(() => readTreeModel(readOnnxModel(minimum))).toThrow('its leaves do not add up');
  });
});
