import { describe, expect, it } from '@jest/globals';
import { type TreeNode, treeEnsemble } from '#libs/numeric/shapley/tree-ensemble.js';
import { type AskModel, ModelExplainer } from './model-explainer.js';

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const leaf = (value: number): TreeNode => ({
  feature: -1,
  mode: 0,
  threshold: 0,
  missingYes: false,
  yes: -1,
  no: -1,
  value,
});
/** 3 where the second of three features is above 1, else -1. */
const trees = treeEnsemble(
  [{ ...leaf(0), feature: 1, mode: 3, threshold: 1, yes: 1, no: 2 }, leaf(3), leaf(-1)],
  [0],
  0,
);
const background = new Float32Array([0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]);

/** [P(0), P(1)] of the margin that a function makes of a row of three. */
function classifier(margin: (row: Float32Array) => number, asked: number[] = []): AskModel {
  return async (rows, count) => {
    asked.push(count);
    const output = new Float32Array(count * 2);
    for (let i = 0; i < count; i++) {
      output[i * 2 + 1] = sigmoid(margin(rows.subarray(i * 3, i * 3 + 3)));
      output[i * 2] = 1 - output[i * 2 + 1]!;
    }
    return { output, columns: 2 };
  };
}
const byTrees = classifier((row) => (row[1]! > 1 ? 3 : -1));
const linear = classifier((row) => 0.5 * row[0]! - row[1]! + 2 * row[2]!);

async function explain(ask: AskModel, rows: Float32Array, given: typeof trees | undefined) {
  const explainer = await ModelExplainer.of({ features: 3, background, trees: given, ask });
  const { output, columns } = await ask(rows, rows.length / 3);
  return { explainer, explanation: await explainer.explain(rows, output, columns) };
}

describe('ModelExplainer', () => {
  it('explains trees exactly, in the margin before the sigmoid', async () => {
    const { explanation } = await explain(byTrees, new Float32Array([9, 2, 9, 9, 1, 9]), trees);
    expect(explanation).toMatchObject({ by: 'tree-shap', baseValue: 0 });
    expect([...explanation.contributions]).toEqual([0, 3, 0, 0, -1, 0]);
  });

  it('asks a model that has no trees, and finds a linear one exactly', async () => {
    const { explanation } = await explain(linear, new Float32Array([1, 2, 3]), undefined);
    expect(explanation.by).toBe('permutation-shap');
    expect(explanation.baseValue).toBeCloseTo(-1.25, 5);
    expect(explanation.contributions[0]).toBeCloseTo(0.5, 5);
    expect(explanation.contributions[1]).toBeCloseTo(-2 + 1.25, 5);
    expect(explanation.contributions[2]).toBeCloseTo(6, 5);
  });

  it('takes no trees that say other than the model: of the background, nor of a row explained', async () => {
    const whole = await explain(linear, new Float32Array([1, 2, 3]), trees);
    expect(whole.explanation.by).toBe('permutation-shap');
    const elsewhere = classifier((row) => (row[0] === 7 ? -5 : row[1]! > 1 ? 3 : -1));
    const { explainer, explanation } = await explain(elsewhere, new Float32Array([7, 2, 0]), trees);
    expect(explanation.by).toBe('permutation-shap');
    expect(explanation.contributions.reduce((sum, one) => sum + one, explanation.baseValue)).toBeCloseTo(-5, 5);
    expect(explainer.isExact).toBe(false);
  });

  it('asks no more than 1,024 rows at a time, and at most about 100,000 a row', async () => {
    const wide = 60;
    const asked: number[] = [];
    const ask: AskModel = async (rows, count) => {
      asked.push(count);
      return { output: Float32Array.from({ length: count }, (_, i) => rows[i * wide]!), columns: 1 };
    };
    const wideBackground = new Float32Array(100 * wide);
    const explainer = await ModelExplainer.of({ features: wide, background: wideBackground, trees: undefined, ask });
    const { contributions } = await explainer.explain(new Float32Array(wide).fill(2), new Float32Array([2]), 1);
    expect(contributions[0]).toBeCloseTo(2, 9);
    expect(Math.max(...asked)).toBeLessThanOrEqual(1_024);
    expect(asked.reduce((sum, count) => sum + count)).toBeLessThan(100_000 + 200);
  });

  it('remembers no mean of a model that failed', async () => {
    let isBroken = true;
    const ask: AskModel = (rows, count) => (isBroken ? Promise.reject(new Error('broken')) : linear(rows, count));
    const explainer = await ModelExplainer.of({ features: 3, background, trees: undefined, ask });
    const rows = new Float32Array([1, 2, 3]);
    await expect(explainer.explain(rows, new Float32Array([0.5, 0.5]), 2)).rejects.toThrow('broken');
    isBroken = false;
    expect((await explainer.explain(rows, new Float32Array([0.5, 0.5]), 2)).contributions[2]).toBeCloseTo(6, 5);
  });
});
