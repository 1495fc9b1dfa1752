import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { exactShapley } from './exact-shapley.js';
import { marginOf, NoTrees, type TreeNode, treeEnsemble } from './tree-ensemble.js';
import { TreeShap } from './tree-shap.js';

const leaf = (value: number): TreeNode => ({
  feature: -1,
  mode: 0,
  threshold: 0,
  missingYes: false,
  yes: -1,
  no: -1,
  value,
});

type Tree = number | { feature: number; mode: number; threshold: number; missingYes: boolean; yes: Tree; no: Tree };

/** Few values, so that thresholds are met exactly and features come twice on a path. */
const cell = fc.constantFrom(
  -2,
  -1,
  -0.5,
  0,
  0.5,
  1,
  2,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
);

const treeOf = (features: number, depth: number): fc.Arbitrary<Tree> =>
  depth === 0
    ? fc.double({ min: -3, max: 3, noNaN: true })
    : fc.oneof(
        { weight: 1, arbitrary: fc.double({ min: -3, max: 3, noNaN: true }) as fc.Arbitrary<Tree> },
        {
          weight: 4,
          arbitrary: fc.record({
            feature: fc.nat(features - 1),
            mode: fc.nat(6),
            threshold: fc.constantFrom(-1, -0.5, 0, 0.5, 1),
            missingYes: fc.boolean(),
            yes: treeOf(features, depth - 1),
            no: treeOf(features, depth - 1),
          }),
        },
      );

function add(nodes: TreeNode[], tree: Tree): number {
  if (typeof tree === 'number') return nodes.push(leaf(tree)) - 1;
  const { yes, no, ...split } = tree;
  const members = split.mode === 6 ? { members: [split.threshold, 2] } : {};
  const at = nodes.push(leaf(0)) - 1;
  const [toYes, toNo] = [add(nodes, yes), add(nodes, no)];
  nodes[at] = { ...split, ...members, yes: toYes, no: toNo, value: 0 };
  return at;
}

function ensembleOf(trees: readonly Tree[], base: number) {
  const nodes: TreeNode[] = [];
  const roots = trees.map((tree) => add(nodes, tree));
  return treeEnsemble(nodes, roots, base);
}

const games = fc.integer({ min: 1, max: 6 }).chain((features) => {
  const row = fc.array(cell, { minLength: features, maxLength: features });
  return fc.record({
    trees: fc.array(treeOf(features, 5), { minLength: 1, maxLength: 4 }),
    base: fc.double({ min: -1, max: 1, noNaN: true }),
    row,
    background: fc.array(row, { minLength: 1, maxLength: 7 }),
  });
});

describe('TreeShap', () => {
  it('is the Shapley value of the mean margin over background rows, missing values included', () => {
    fc.assert(
      fc.property(games, ({ trees, base, row, background }) => {
        const ensemble = ensembleOf(trees, base);
        const mixed = new Float32Array(row.length);
        const value = (set: number): number => {
          let sum = 0;
          for (const other of background) {
            for (let i = 0; i < row.length; i++) mixed[i] = (set >> i) & 1 ? row[i]! : other[i]!;
            sum += marginOf(ensemble, mixed);
          }
          return sum / background.length;
        };
        const shap = new TreeShap(ensemble, Float32Array.from(background.flat()), row.length);
        const found = shap.explain(Float32Array.from(row));
        const expected = exactShapley(row.length, value);
        for (let i = 0; i < row.length; i++) expect(Math.abs(found[i]! - expected[i]!)).toBeLessThan(1e-9);
        expect(Math.abs(shap.baseValue - value(0))).toBeLessThan(1e-9);
        const sum = found.reduce((all, one) => all + one, shap.baseValue);
        expect(Math.abs(sum - marginOf(ensemble, Float32Array.from(row)))).toBeLessThan(1e-9);
      }),
      { numRuns: 300, seed: 20_010_414 },
    );
  });

  it('holds with 12 features on deep trees against many background rows', () => {
    const features = 12;
    const draw = fc.sample(treeOf(features, 9), { numRuns: 30, seed: 7 });
    const ensemble = ensembleOf(draw, 0.25);
    const cells = fc.sample(cell, { numRuns: 41 * features, seed: 8 });
    const [row, background] = [cells.slice(0, features), Float32Array.from(cells.slice(features))];
    const mixed = new Float32Array(features);
    const value = (set: number): number => {
      let sum = 0;
      for (let from = 0; from < background.length; from += features) {
        for (let i = 0; i < features; i++) mixed[i] = (set >> i) & 1 ? row[i]! : background[from + i]!;
        sum += marginOf(ensemble, mixed);
      }
      return sum / 40;
    };
    const found = new TreeShap(ensemble, background, features).explain(Float32Array.from(row));
    const expected = exactShapley(features, value);
    expect(Math.max(...expected.map(Math.abs))).toBeGreaterThan(0.1);
    for (let i = 0; i < features; i++) expect(Math.abs(found[i]! - expected[i]!)).toBeLessThan(1e-9);
  });

  it('of an AND of two features gives each half of what both bring', () => {
    const and = { mode: 3, threshold: 0.5, missingYes: false, no: 0 };
    const ensemble = ensembleOf([{ ...and, feature: 0, yes: { ...and, feature: 1, yes: 8 } }], 1);
    const shap = new TreeShap(ensemble, new Float32Array([0, 0, 5]), 3);
    expect(shap.baseValue).toBe(1);
    expect([...shap.explain(new Float32Array([1, 1, 9]))]).toEqual([4, 4, 0]);
    expect([...shap.explain(new Float32Array(0))]).toEqual([]);
  });

  it('refuses what is no set of trees', () => {
    const split = { feature: 0, mode: 0, threshold: 0, missingYes: false, value: 0 };
    expect(() => treeEnsemble([{ ...split, yes: 0, no: 1 }, leaf(1)], [0], 0)).toThrow(NoTrees);
    expect(() => treeEnsemble([{ ...split, yes: 1, no: 7 }, leaf(1)], [0], 0)).toThrow(/node 7/);
    const wide = treeEnsemble([{ ...split, feature: 3, yes: 1, no: 2 }, leaf(1), leaf(2)], [0], 0);
    expect(() => new TreeShap(wide, new Float32Array(3), 3)).toThrow(/feature 3/);
    const long = Array.from({ length: 31 }).reduce<Tree>(
      (tree, _, i) => ({ ...split, feature: i, yes: i, no: tree }),
      0,
    );
    expect(() => new TreeShap(ensembleOf([long], 0), new Float32Array(31), 31)).toThrow(/30 different features/);
  });
});
