import {
  NoTrees,
  splitModes,
  type TreeEnsemble,
  type TreeNode,
  treeEnsemble,
} from '../numeric/shapley/tree-ensemble.js';
import type { OnnxNode } from './read-model.js';

const aggregates = { average: 0, sum: 1 };
const softmax = 1;

/**
 * TreeEnsemble, ai.onnx.ml 5: inner nodes and leaves in arrays of their own; a branch leads to one or the other.
 * @throws NoTrees
 */
export function readTreesV5(node: OnnxNode): TreeEnsemble {
  const modes = tensor(node, 'nodes_modes');
  const inner = modes.length;
  const list = (name: string) => ints(node, name, inner);
  const [features, yes, no] = [list('nodes_featureids'), list('nodes_truenodeids'), list('nodes_falsenodeids')];
  const [yesLeaf, noLeaf] = [list('nodes_trueleafs'), list('nodes_falseleafs')];
  const splits = tensor(node, 'nodes_splits');
  if (splits.length !== inner) throw new NoTrees(`nodes_splits has ${splits.length} values, not ${inner}`);
  const missing = node.attributes.get('nodes_missing_value_tracks_true')?.ints ?? [];
  const members = membersOf(node, modes);
  const nodes = Array.from(modes, (mode, i): TreeNode => {
    if (mode > splitModes.member) throw new NoTrees(`nodes_modes[${i}] is ${mode}`);
    const place = (index: number, isLeaf: boolean) => (isLeaf ? inner + index : index);
    return {
      feature: features[i]!,
      mode,
      threshold: splits[i]!,
      ...(mode === splitModes.member ? { members: members.get(i)! } : {}),
      missingYes: missing[i] === 1,
      yes: place(yes[i]!, yesLeaf[i] === 1),
      no: place(no[i]!, noLeaf[i] === 1),
      value: 0,
    };
  });
  const roots = ints(node, 'tree_roots');
  // Trees of a lone leaf are a node whose branches both lead to it.
  const leaves = readLeaves(node, roots.length);
  const whole = nodes.map((one) => (one.yes === one.no ? (leaves[one.yes - inner] ?? one) : one));
  return treeEnsemble([...whole, ...leaves], [...roots], 0);
}

/** As in versions before, of the last target; of two under SOFTMAX the difference. */
function readLeaves(node: OnnxNode, trees: number): TreeNode[] {
  const aggregate = node.attributes.get('aggregate_function')?.int ?? aggregates.sum;
  if (aggregate !== aggregates.sum && aggregate !== aggregates.average)
    throw new NoTrees(`aggregate_function ${aggregate}: its leaves do not add up`);
  const target = (node.attributes.get('n_targets')?.int ?? 1) - 1;
  const isDifference = target === 1 && node.attributes.get('post_transform')?.int === softmax;
  const weights = tensor(node, 'leaf_weights');
  const ids = ints(node, 'leaf_targetids', weights.length);
  const scale = aggregate === aggregates.average ? 1 / trees : 1;
  return Array.from(weights, (weight, i): TreeNode => {
    const share = ids[i] === target ? 1 : isDifference ? -1 : 0;
    const value = share * weight * scale;
    return { feature: -1, mode: 0, threshold: 0, missingYes: false, yes: -1, no: -1, value };
  });
}

/** The values of each BRANCH_MEMBER node, in the order of the nodes, which a NaN ends. */
function membersOf(node: OnnxNode, modes: ArrayLike<number>): Map<number, number[]> {
  const values = node.attributes.get('membership_values')?.tensor?.values ?? [];
  const sets = new Map<number, number[]>();
  let at = 0;
  for (let i = 0; i < modes.length; i++) {
    if (modes[i] !== splitModes.member) continue;
    const members: number[] = [];
    for (; at < values.length && !Number.isNaN(values[at]); at++) members.push(values[at]!);
    at += 1;
    sets.set(i, members);
  }
  return sets;
}

function ints({ attributes }: OnnxNode, name: string, count?: number): Float64Array {
  const values = attributes.get(name)?.ints ?? new Float64Array(0);
  if (count !== undefined && values.length !== count)
    throw new NoTrees(`${name} has ${values.length} values, not ${count}`);
  return values;
}

function tensor({ attributes }: OnnxNode, name: string): Float32Array | Float64Array {
  const values = attributes.get(name)?.tensor?.values;
  if (values === undefined) throw new NoTrees(`${name} is missing, or of a kind that is not read`);
  return values;
}
