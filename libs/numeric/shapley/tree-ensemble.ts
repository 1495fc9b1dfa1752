/** How a node compares its feature with its threshold, numbered as ai.onnx.ml's TreeEnsemble does. */
export const splitModes = { leq: 0, lt: 1, gte: 2, gt: 3, eq: 4, neq: 5, member: 6 } as const;

/** A node as a file says it: `yes` and `no` are indices of other nodes; a leaf has neither, and a value. */
export interface TreeNode {
  /** -1 = a leaf. */
  readonly feature: number;
  readonly mode: number;
  readonly threshold: number;
  /** Of mode `member`: what goes to `yes`. */
  readonly members?: readonly number[];
  /** Where a missing value goes to `yes`. */
  readonly missingYes: boolean;
  readonly yes: number;
  readonly no: number;
  /** Of a leaf: what it adds to the margin. */
  readonly value: number;
}

/** Trees whose leaves add up to a margin. Nodes lie in arrays, each after its parent. */
export interface TreeEnsemble {
  /** [nodes], -1 = a leaf. */
  readonly feature: Int32Array;
  readonly mode: Uint8Array;
  readonly threshold: Float64Array;
  readonly members: readonly (ReadonlySet<number> | undefined)[];
  readonly missingYes: Uint8Array;
  readonly yes: Int32Array;
  readonly no: Int32Array;
  readonly value: Float64Array;
  /** Indices of the roots; a tree's nodes are those from its root to before the next. */
  readonly roots: Int32Array;
  readonly base: number;
}

/** What is no set of trees: a node that is reached twice, or lies outside. */
export class NoTrees extends Error {}

/**
 * Puts each node after its parent, tree by tree. Nodes that no root reaches are left out.
 * @param roots indices into `nodes`, one a tree @param base added to every margin
 * @throws NoTrees
 */
export function treeEnsemble(nodes: readonly TreeNode[], roots: readonly number[], base: number): TreeEnsemble {
  const order: number[] = [];
  const place = new Int32Array(nodes.length).fill(-1);
  const starts = roots.map((root) => {
    const start = order.length;
    const open = [root];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      const node = nodes[at];
      if (node === undefined) throw new NoTrees(`a branch leads to node ${at}, there are ${nodes.length}`);
      if (place[at] !== -1) throw new NoTrees(`node ${at} is reached by two branches`);
      place[at] = order.length;
      order.push(at);
      if (node.feature >= 0) open.push(node.no, node.yes);
    }
    return start;
  });
  const placed = order.map((at) => nodes[at]!);
  return {
    feature: Int32Array.from(placed, ({ feature }) => feature),
    mode: Uint8Array.from(placed, ({ mode }) => mode),
    threshold: Float64Array.from(placed, ({ threshold }) => threshold),
    members: placed.map(({ members }) => members && new Set(members)),
    missingYes: Uint8Array.from(placed, ({ missingYes }) => (missingYes ? 1 : 0)),
    yes: Int32Array.from(placed, ({ feature, yes }) => (feature < 0 ? -1 : place[yes]!)),
    no: Int32Array.from(placed, ({ feature, no }) => (feature < 0 ? -1 : place[no]!)),
    value: Float64Array.from(placed, ({ feature, value }) => (feature < 0 ? value : 0)),
    roots: Int32Array.from(starts),
    base,
  };
}

/**
 * Which branch a value takes, as onnxruntime decides it: a missing value takes the one that the node names, and compares as NaN does, so that it is unequal to everything.
 * @param x float32; NaN = missing
 */
export function takesYes(trees: TreeEnsemble, node: number, x: number): boolean {
  if (Number.isNaN(x)) return trees.missingYes[node] === 1 || trees.mode[node] === splitModes.neq;
  const threshold = trees.threshold[node]!;
  switch (trees.mode[node]) {
    case splitModes.leq:
      return x <= threshold;
    case splitModes.lt:
      return x < threshold;
    case splitModes.gte:
      return x >= threshold;
    case splitModes.gt:
      return x > threshold;
    case splitModes.eq:
      return x === threshold;
    case splitModes.neq:
      return x !== threshold;
    default:
      return trees.members[node]!.has(x);
  }
}

/** The margin of one row, in float64: before any sigmoid. @param from where the row begins in `rows`, float32, NaN = missing */
export function marginOf(trees: TreeEnsemble, rows: Float32Array, from = 0): number {
  let margin = trees.base;
  for (const root of trees.roots) {
    let node = root;
    while (trees.feature[node]! >= 0)
      node = takesYes(trees, node, rows[from + trees.feature[node]!]!) ? trees.yes[node]! : trees.no[node]!;
    margin += trees.value[node]!;
  }
  return margin;
}

/** What no margin is larger than, whatever its sign: the base and every tree's largest leaf, as absolute values. */
export function largestMargin({ value, roots, base }: TreeEnsemble): number {
  let largest = Math.abs(base);
  for (let tree = 0; tree < roots.length; tree++) {
    let leaf = 0;
    for (let node = roots[tree]!; node < (roots[tree + 1] ?? value.length); node++)
      leaf = Math.max(leaf, Math.abs(value[node]!));
    largest += leaf;
  }
  return largest;
}
