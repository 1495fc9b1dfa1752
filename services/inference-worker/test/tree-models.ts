import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { type Field, float32, graph, model, node, opset, tensor, uint8, value } from './onnx-messages.js';

/** A tree as ONNX writes it: a leaf's value, or a split. */
export type Tree = number | Split;

export interface Split {
  readonly feature: number;
  /** As numbered by ai.onnx.ml 5. */
  readonly mode: number;
  readonly threshold: number;
  readonly missingYes: boolean;
  readonly yes: Tree;
  readonly no: Tree;
}

const modeNames = ['BRANCH_LEQ', 'BRANCH_LT', 'BRANCH_GTE', 'BRANCH_GT', 'BRANCH_EQ', 'BRANCH_NEQ'];

type Value = number | string | readonly number[] | readonly string[] | Uint8Array;
/** An attribute by what it holds: AttributeProto's own names. */
type Attribute = readonly [name: string, kind: 'i' | 's' | 'floats' | 'ints' | 'strings' | 't', value: Value];

const kinds = { i: 2, s: 3, t: 4, floats: 6, ints: 7, strings: 8 };

/** TreeEnsembleRegressor of ai.onnx.ml 3, one target: [N, features] to [N, 1]. */
export function regressorV3(
  trees: readonly Tree[],
  features: number,
  base: number,
  more: readonly Attribute[] = [],
): Buffer {
  const [treeIds, nodeIds, featureIds, yes, no, missing]: number[][] = [[], [], [], [], [], []];
  const [modes, values]: [string[], number[]] = [[], []];
  const [voteTrees, voteNodes, votes]: number[][] = [[], [], []];
  trees.forEach((tree, treeId) => {
    let count = 0;
    const add = (at: Tree): number => {
      const id = count++;
      const place = treeIds!.push(treeId) - 1;
      const isLeaf = typeof at === 'number';
      nodeIds!.push(id);
      featureIds!.push(isLeaf ? 0 : at.feature);
      modes.push(isLeaf ? 'LEAF' : modeNames[at.mode]!);
      values.push(isLeaf ? 0 : at.threshold);
      missing!.push(!isLeaf && at.missingYes ? 1 : 0);
      yes!.push(0);
      no!.push(0);
      if (isLeaf) {
        voteTrees!.push(treeId);
        voteNodes!.push(id);
        votes!.push(at);
      } else {
        yes![place] = add(at.yes);
        no![place] = add(at.no);
      }
      return id;
    };
    add(tree);
  });
  return modelOf('TreeEnsembleRegressor', 3, features, [
    ['nodes_treeids', 'ints', treeIds!],
    ['nodes_nodeids', 'ints', nodeIds!],
    ['nodes_featureids', 'ints', featureIds!],
    ['nodes_modes', 'strings', modes],
    ['nodes_values', 'floats', values],
    ['nodes_truenodeids', 'ints', yes!],
    ['nodes_falsenodeids', 'ints', no!],
    ['nodes_missing_value_tracks_true', 'ints', missing!],
    ['target_treeids', 'ints', voteTrees!],
    ['target_nodeids', 'ints', voteNodes!],
    ['target_ids', 'ints', votes!.map(() => 0)],
    ['target_weights', 'floats', votes!],
    ['n_targets', 'i', 1],
    ['base_values', 'floats', [base]],
    ...more,
  ]);
}

/** TreeEnsemble of ai.onnx.ml 5, one target. A BRANCH_MEMBER's set is its threshold and 2. */
export function ensembleV5(trees: readonly Tree[], features: number): Buffer {
  const [featureIds, modes, splits, missing, yes, no, yesLeaf, noLeaf, roots, leaves, members]: number[][] = Array.from(
    { length: 11 },
    () => [],
  );
  const branch = (tree: Tree): [at: number, isLeaf: number] =>
    typeof tree === 'number' ? [leaves!.push(tree) - 1, 1] : [add(tree), 0];
  const add = (split: Split): number => {
    const place = featureIds!.push(split.feature) - 1;
    modes!.push(split.mode);
    splits!.push(split.threshold);
    missing!.push(split.missingYes ? 1 : 0);
    if (split.mode === 6) members!.push(split.threshold, 2, Number.NaN);
    for (const list of [yes!, no!, yesLeaf!, noLeaf!]) list.push(0);
    [yes![place], yesLeaf![place]] = branch(split.yes) as [number, number];
    [no![place], noLeaf![place]] = branch(split.no) as [number, number];
    return place;
  };
  for (const tree of trees) {
    roots!.push(featureIds!.length);
    if (typeof tree !== 'number') add(tree);
    else {
      // A lone leaf is a node whose branches both lead to it.
      const leaf = leaves!.push(tree) - 1;
      for (const list of [featureIds!, modes!, splits!, missing!]) list.push(0);
      for (const list of [yes!, no!]) list.push(leaf);
      for (const list of [yesLeaf!, noLeaf!]) list.push(1);
    }
  }
  return modelOf('TreeEnsemble', 5, features, [
    ['nodes_featureids', 'ints', featureIds!],
    ['nodes_modes', 't', tensor('', uint8, [modes!.length], Uint8Array.from(modes!))],
    ['nodes_splits', 't', floatTensor(splits!)],
    ['nodes_missing_value_tracks_true', 'ints', missing!],
    ['nodes_truenodeids', 'ints', yes!],
    ['nodes_falsenodeids', 'ints', no!],
    ['nodes_trueleafs', 'ints', yesLeaf!],
    ['nodes_falseleafs', 'ints', noLeaf!],
    ['tree_roots', 'ints', roots!],
    ['leaf_targetids', 'ints', leaves!.map(() => 0)],
    ['leaf_weights', 't', floatTensor(leaves!)],
    ...(members!.length > 0 ? [['membership_values', 't', floatTensor(members!)] as const] : []),
    ['n_targets', 'i', 1],
  ]);
}

function modelOf(operator: string, mlVersion: number, features: number, attributes: readonly Attribute[]): Buffer {
  const fields = attributes.map((attribute): Field => [5, attributeBytes(attribute)]);
  const nodes = [node(operator, ['input'], ['output'], [7, 'ai.onnx.ml'], ...fields)];
  const [inputs, outputs] = [[value('input', float32, ['N', features])], [value('output', float32, ['N', 1])]];
  return model(graph({ nodes, inputs, outputs }), [opset('', 17), opset('ai.onnx.ml', mlVersion)]);
}

function attributeBytes([name, kind, value]: Attribute): Uint8Array {
  const writer = new BinaryWriter().tag(1, 2).string(name);
  if (kind === 'i') writer.tag(3, 0).int64(value as number);
  else if (kind === 's') writer.tag(4, 2).string(value as string);
  else if (kind === 't') writer.tag(5, 2).bytes(value as Uint8Array);
  else if (kind === 'floats') for (const one of value as number[]) writer.tag(7, 5).float(one);
  else if (kind === 'ints') for (const one of value as number[]) writer.tag(8, 0).int64(one);
  else for (const one of value as string[]) writer.tag(9, 2).string(one);
  return writer.tag(20, 0).int32(kinds[kind]).finish();
}

function floatTensor(values: readonly number[]): Uint8Array {
  return tensor('', float32, [values.length], new Uint8Array(Float32Array.from(values).buffer));
}
