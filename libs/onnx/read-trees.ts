import {
  NoTrees,
  splitModes,
  type TreeEnsemble,
  type TreeNode,
  treeEnsemble,
} from '../numeric/shapley/tree-ensemble.js';
import type { OnnxNode } from './read-model.js';

const modes: Readonly<Record<string, number>> = {
  BRANCH_LEQ: splitModes.leq,
  BRANCH_LT: splitModes.lt,
  BRANCH_GTE: splitModes.gte,
  BRANCH_GT: splitModes.gt,
  BRANCH_EQ: splitModes.eq,
  BRANCH_NEQ: splitModes.neq,
};

/** What a class or a target gets of the leaves. */
interface Votes {
  /** Indices of nodes, with what each adds. */
  readonly byNode: ReadonlyMap<number, number>;
  readonly base: number;
}

/**
 * TreeEnsembleRegressor and TreeEnsembleClassifier, ai.onnx.ml 1 to 3: parallel arrays of nodes, known by tree and number, and of the votes of leaves.
 * @throws NoTrees
 */
export function readTrees(node: OnnxNode): TreeEnsemble {
  const trees = ints(node, 'nodes_treeids');
  const numbers = ints(node, 'nodes_nodeids', trees.length);
  const places = new Map(Array.from(trees, (tree, i) => [keyOf(tree, numbers[i]!), i]));
  const votes = node.opType === 'TreeEnsembleClassifier' ? classVotes(node, places) : targetVotes(node, places);
  const nodes = readNodes(node, trees, places, votes);
  // The first node of a tree is its root, as in onnxruntime.
  const roots = [...new Map(Array.from(trees, (tree, i) => [tree, i] as const).reverse()).values()].sort(
    (a, b) => a - b,
  );
  return treeEnsemble(scaled(node, nodes, roots.length), roots, votes.base);
}

const keyOf = (tree: number, number: number) => `${tree} ${number}`;

function readNodes(
  node: OnnxNode,
  trees: Float64Array,
  places: ReadonlyMap<string, number>,
  { byNode }: Votes,
): TreeNode[] {
  const count = trees.length;
  const features = ints(node, 'nodes_featureids', count);
  const texts = node.attributes.get('nodes_modes')?.texts ?? [];
  const thresholds = numbersOf(node, 'nodes_values', count);
  const [yes, no] = [ints(node, 'nodes_truenodeids', count), ints(node, 'nodes_falsenodeids', count)];
  const missing = node.attributes.get('nodes_missing_value_tracks_true')?.ints ?? [];
  return Array.from(trees, (tree, i): TreeNode => {
    const place = (number: number) => places.get(keyOf(tree, number)) ?? -1;
    const isLeaf = texts[i] === 'LEAF';
    const mode = isLeaf ? 0 : modes[texts[i] ?? ''];
    if (mode === undefined) throw new NoTrees(`nodes_modes[${i}] is "${texts[i]}"`);
    return {
      feature: isLeaf ? -1 : features[i]!,
      mode,
      threshold: thresholds[i]!,
      missingYes: missing[i] === 1,
      yes: isLeaf ? -1 : place(yes[i]!),
      no: isLeaf ? -1 : place(no[i]!),
      value: byNode.get(i) ?? 0,
    };
  });
}

/** Of the last target. */
function targetVotes(node: OnnxNode, places: ReadonlyMap<string, number>): Votes {
  const target = (node.attributes.get('n_targets')?.int ?? 1) - 1;
  const base = baseValues(node);
  return { byNode: votesOf(node, 'target', places, (id) => (id === target ? 1 : 0)), base: base[target] ?? 0 };
}

/** Of the second of two classes. Where the leaves vote for one class alone, which one does not matter: it is the second one's margin. */
function classVotes(node: OnnxNode, places: ReadonlyMap<string, number>): Votes {
  const numbered = node.attributes.get('classlabels_int64s')?.ints.length ?? 0;
  const classes = numbered || (node.attributes.get('classlabels_strings')?.texts.length ?? 0);
  if (classes !== 2) throw new NoTrees(`${classes} classes: only two have one margin`);
  const base = baseValues(node);
  if (new Set(ints(node, 'class_ids')).size === 1)
    return { byNode: votesOf(node, 'class', places, () => 1), base: base.at(-1) ?? 0 };
  const isSoftmax = node.attributes.get('post_transform')?.text === 'SOFTMAX';
  const first = isSoftmax ? -1 : 0;
  const byNode = votesOf(node, 'class', places, (id) => (id === 1 ? 1 : first));
  return { byNode, base: (base[1] ?? 0) + first * (base[0] ?? 0) };
}

function votesOf(
  node: OnnxNode,
  whose: 'target' | 'class',
  places: ReadonlyMap<string, number>,
  share: (id: number) => number,
): Map<number, number> {
  const trees = ints(node, `${whose}_treeids`);
  const numbers = ints(node, `${whose}_nodeids`, trees.length);
  const ids = ints(node, `${whose}_ids`, trees.length);
  const weights = numbersOf(node, `${whose}_weights`, trees.length);
  const byNode = new Map<number, number>();
  for (let i = 0; i < trees.length; i++) {
    const place = places.get(keyOf(trees[i]!, numbers[i]!));
    if (place === undefined) throw new NoTrees(`${whose}_nodeids[${i}] is no node of tree ${trees[i]}`);
    const vote = share(ids[i]!);
    if (vote !== 0) byNode.set(place, (byNode.get(place) ?? 0) + vote * weights[i]!);
  }
  return byNode;
}

function baseValues({ attributes }: OnnxNode): number[] {
  return [...(attributes.get('base_values')?.floats ?? attributes.get('base_values_as_tensor')?.tensor?.values ?? [])];
}

function scaled({ attributes }: OnnxNode, nodes: TreeNode[], trees: number): TreeNode[] {
  const aggregate = attributes.get('aggregate_function')?.text ?? 'SUM';
  if (aggregate === 'SUM') return nodes;
  if (aggregate !== 'AVERAGE') throw new NoTrees(`aggregate_function ${aggregate}: its leaves do not add up`);
  return nodes.map((one) => ({ ...one, value: one.value / trees }));
}

function ints({ attributes }: OnnxNode, name: string, count?: number): Float64Array {
  const values = attributes.get(name)?.ints ?? new Float64Array(0);
  if (count !== undefined && values.length !== count)
    throw new NoTrees(`${name} has ${values.length} values, not ${count}`);
  return values;
}

function numbersOf({ attributes }: OnnxNode, name: string, count: number): ArrayLike<number> {
  const values = attributes.get(`${name}_as_tensor`)?.tensor?.values ?? attributes.get(name)?.floats ?? [];
  if (values.length !== count) throw new NoTrees(`${name} has ${values.length} values, not ${count}`);
  return values;
}
