import { marginOf, NoTrees, type TreeEnsemble } from './tree-ensemble.js';
import { markMissed, treePaths, type TreePaths } from './tree-paths.js';

/** Leaves times background rows: so many masks of 4 bytes are looked at when an explainer is made. */
const maxMasks = 2 ** 24;

/**
 * Interventional TreeSHAP: exact Shapley values of the margin, where the value of a set of features is the mean margin over background rows that take these features
 * from the row explained (Lundberg et al. 2020, Algorithm 3, "independent" there).
 *
 * At a leaf each feature of its path is answered as the path does by the row, by the background row, by both or by neither. The leaf is reached by a set of features
 * where there is no `neither`, the u features of the row alone are in it, and the v of the background row alone are not: the game's Shapley values are
 * (u-1)! v! / (u+v)! of the leaf's value for each of the former, and minus u! (v-1)! / (u+v)! for each of the latter. Background rows that answer a
 * leaf's path alike are counted once.
 */
export class TreeShap {
  /** Mean margin of the background rows; with a row's contributions it makes up that row's margin. */
  readonly baseValue: number;
  private readonly paths: TreePaths;
  private readonly groups: MaskGroups;
  private readonly missed: Int32Array;

  /**
   * @param background float32 [n, features], row-major, n at least 1; NaN = missing
   * @throws NoTrees where the trees read a feature beyond `features`, a path has too many of them, or there are more leaves than can be explained
   */
  constructor(
    private readonly trees: TreeEnsemble,
    background: Float32Array,
    private readonly features: number,
  ) {
    const rows = background.length / features;
    for (const feature of trees.feature)
      if (feature >= features) throw new NoTrees(`the trees ask feature ${feature}, the background has ${features}`);
    this.paths = treePaths(trees);
    if (this.paths.leaves.length * rows > maxMasks)
      throw new NoTrees(`${this.paths.leaves.length} leaves and ${rows} background rows are too many`);
    this.missed = new Int32Array(trees.feature.length);
    this.groups = groupMasks(trees, this.paths, background, features, this.missed);
    let sum = 0;
    for (let row = 0; row < rows; row++) sum += marginOf(trees, background, row * features);
    this.baseValue = sum / rows;
  }

  /**
   * @param rows float32 [count, features], row-major; NaN = missing; none gives none
   * @returns contributions, float64 [count, features], in the margin's unit
   */
  explain(rows: Float32Array): Float64Array {
    const contributions = new Float64Array(rows.length);
    for (let from = 0; from < rows.length; from += this.features)
      this.explainRow(rows, from, contributions.subarray(from, from + this.features));
    return contributions;
  }

  private explainRow(rows: Float32Array, from: number, into: Float64Array): void {
    const { trees, paths, missed, groups } = this;
    markMissed(trees, paths, rows, from, missed);
    for (let leaf = 0; leaf < paths.leaves.length; leaf++) {
      const node = paths.leaves[leaf]!;
      const start = paths.start[leaf]!;
      const full = fullMask(paths, leaf);
      const mine = full & ~missed[node]!;
      const end = groups.start[leaf + 1]!;
      for (let group = groups.start[leaf]!; group < end; group++) {
        const theirs = groups.mask[group]!;
        if ((mine | theirs) !== full) continue;
        const [onlyMine, onlyTheirs] = [mine & ~theirs, theirs & ~mine];
        if ((onlyMine | onlyTheirs) === 0) continue;
        const [u, v] = [bitsOf(onlyMine), bitsOf(onlyTheirs)];
        const value = trees.value[node]! * groups.share[group]!;
        const gain = value * weightOf(u, v);
        const loss = value * weightOf(v, u);
        for (let bits = onlyMine; bits !== 0; bits &= bits - 1)
          into[paths.features[start + 31 - Math.clz32(bits & -bits)]!]! += gain;
        for (let bits = onlyTheirs; bits !== 0; bits &= bits - 1)
          into[paths.features[start + 31 - Math.clz32(bits & -bits)]!]! -= loss;
      }
    }
  }
}

/** Of each leaf the different masks of the background rows, with the share of the rows that have them. */
interface MaskGroups {
  /** [leaves + 1] */
  readonly start: Int32Array;
  readonly mask: Int32Array;
  readonly share: Float64Array;
}

function groupMasks(
  trees: TreeEnsemble,
  paths: TreePaths,
  background: Float32Array,
  features: number,
  missed: Int32Array,
): MaskGroups {
  const [rows, leaves] = [background.length / features, paths.leaves.length];
  const masks = new Int32Array(leaves * rows);
  for (let row = 0; row < rows; row++) {
    markMissed(trees, paths, background, row * features, missed);
    for (let leaf = 0; leaf < leaves; leaf++)
      masks[leaf * rows + row] = fullMask(paths, leaf) & ~missed[paths.leaves[leaf]!]!;
  }
  const start = new Int32Array(leaves + 1);
  for (let leaf = 0; leaf < leaves; leaf++) {
    const sorted = masks.subarray(leaf * rows, (leaf + 1) * rows).sort();
    start[leaf + 1] = start[leaf]! + runsOf(sorted);
  }
  const groups = { start, mask: new Int32Array(start[leaves]!), share: new Float64Array(start[leaves]!) };
  for (let leaf = 0; leaf < leaves; leaf++) {
    let group = start[leaf]! - 1;
    for (let row = leaf * rows; row < (leaf + 1) * rows; row++) {
      if (row === leaf * rows || masks[row] !== masks[row - 1]) groups.mask[++group] = masks[row]!;
      groups.share[group]! += 1 / rows;
    }
  }
  return groups;
}

/** How many different values there are. */
function runsOf(sorted: Int32Array): number {
  let runs = sorted.length > 0 ? 1 : 0;
  for (let i = 1; i < sorted.length; i++) if (sorted[i] !== sorted[i - 1]) runs += 1;
  return runs;
}

function fullMask({ start }: TreePaths, leaf: number): number {
  return (1 << (start[leaf + 1]! - start[leaf]!)) - 1;
}

function bitsOf(mask: number): number {
  let bits = mask - ((mask >>> 1) & 0x5555_5555);
  bits = (bits & 0x3333_3333) + ((bits >>> 2) & 0x3333_3333);
  return (((bits + (bits >>> 4)) & 0x0f0f_0f0f) * 0x0101_0101) >>> 24;
}

const maxPlayers = 32;
const weights = shapleyWeights();

/** (a-1)! b! / (a+b)!, of one of `a` players who must come before none of `b` others; 0 for no player. */
function weightOf(a: number, b: number): number {
  return weights[a * maxPlayers + b]!;
}

function shapleyWeights(): Float64Array {
  const table = new Float64Array(maxPlayers * maxPlayers);
  for (let a = 1; a < maxPlayers; a++) {
    table[a * maxPlayers] = 1 / a;
    for (let b = 1; a + b <= maxPlayers && b < maxPlayers; b++)
      table[a * maxPlayers + b] = (table[a * maxPlayers + b - 1]! * b) / (a + b);
  }
  return table;
}
