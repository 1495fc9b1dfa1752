import { NoTrees, takesYes, type TreeEnsemble } from './tree-ensemble.js';

/** Features of one path are bits of one integer that stays positive. */
const maxPathFeatures = 30;

/**
 * The ways to the leaves. A leaf's features are the different ones that its path asks, numbered from 0 in order; a row's mask at a leaf has the bit of each whose
 * questions on that path the row answers as the path does. So a row ends at a leaf whose mask is full.
 */
export interface TreePaths {
  /** [nodes], of an inner one: the number that its feature has on the path to it. */
  readonly bit: Uint8Array;
  /** [leaves], indices of nodes, tree by tree. */
  readonly leaves: Int32Array;
  /** [leaves + 1], where a leaf's features begin in `features`. */
  readonly start: Int32Array;
  readonly features: Int32Array;
}

/** @throws NoTrees where a path asks more than 30 different features */
export function treePaths(trees: TreeEnsemble): TreePaths {
  const bit = new Uint8Array(trees.feature.length);
  const [leaves, start, features]: number[][] = [[], [0], []];
  const asked: number[][] = []; // of the path to a node; inner nodes lie before their children
  for (let node = 0; node < trees.feature.length; node++) {
    const path = asked[node] ?? [];
    delete asked[node];
    const feature = trees.feature[node]!;
    if (feature < 0) {
      leaves!.push(node);
      features!.push(...path);
      start!.push(features!.length);
      continue;
    }
    const known = path.indexOf(feature);
    const whole = known >= 0 ? path : [...path, feature];
    if (whole.length > maxPathFeatures)
      throw new NoTrees(`a path asks more than ${maxPathFeatures} different features`);
    bit[node] = known >= 0 ? known : path.length;
    asked[trees.yes[node]!] = whole;
    asked[trees.no[node]!] = whole;
  }
  return {
    bit,
    leaves: Int32Array.from(leaves!),
    start: Int32Array.from(start!),
    features: Int32Array.from(features!),
  };
}

/**
 * Marks, for each node, the features on the path to it that the row answers otherwise: a node's `missed` is 0 where the row comes by.
 * @param missed [nodes], overwritten
 */
export function markMissed(
  trees: TreeEnsemble,
  { bit }: TreePaths,
  rows: Float32Array,
  from: number,
  missed: Int32Array,
): void {
  const { feature, yes, no, roots } = trees;
  for (const root of roots) missed[root] = 0;
  for (let node = 0; node < feature.length; node++) {
    const asked = feature[node]!;
    if (asked < 0) continue;
    const here = missed[node]!;
    const off = here | (1 << bit[node]!);
    const isYes = takesYes(trees, node, rows[from + asked]!);
    missed[yes[node]!] = isYes ? here : off;
    missed[no[node]!] = isYes ? off : here;
  }
}
