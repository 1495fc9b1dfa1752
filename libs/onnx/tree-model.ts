import { NoTrees, type TreeEnsemble } from '../numeric/shapley/tree-ensemble.js';
import type { OnnxModel, OnnxNode } from './read-model.js';
import { readTrees } from './read-trees.js';
import { readTreesV5 } from './read-trees-v5.js';

const treeOperators = ['TreeEnsembleRegressor', 'TreeEnsembleClassifier', 'TreeEnsemble'];
const castToFloat = 1;

/**
 * The trees of a model that is an ensemble of trees and nothing else: between its input, its trees and its output lies only what changes no value (Identity, a Cast to
 * float, a product with ones). The margin is of the score, which is the last column: before the node's post_transform, of two classes under SOFTMAX the difference.
 * How the score comes of it is not said here: whoever uses it holds it against what the runtime answers.
 * @throws NoTrees saying why it is none, or none whose leaves add up (aggregates MIN and MAX)
 */
export function readTreeModel(model: OnnxModel): TreeEnsemble {
  const node = model.outputs.map((output) => treesBehind(model, output)).find((found) => found !== undefined);
  if (node === undefined) throw new NoTrees('no output of the graph is that of a tree ensemble');
  const input = before(model, node.inputs[0] ?? '');
  if (!model.inputs.includes(input)) throw new NoTrees('the trees do not read the input of the model itself');
  return node.opType === 'TreeEnsemble' ? readTreesV5(node) : readTrees(node);
}

/** The tree node that a value is the score of. */
function treesBehind(model: OnnxModel, output: string): OnnxNode | undefined {
  const name = before(model, output);
  const node = producer(model, name);
  if (node === undefined || node.domain !== 'ai.onnx.ml' || !treeOperators.includes(node.opType)) return undefined;
  const score = node.opType === 'TreeEnsembleClassifier' ? 1 : 0; // a classifier's first output is the label
  return node.outputs[score] === name ? node : undefined;
}

/** The value that another one equals, as far back as can be seen. */
function before(model: OnnxModel, name: string): string {
  let at = name;
  for (let steps = 0; steps <= model.nodes.length; steps++) {
    const node = producer(model, at);
    const source = node && sourceOf(model, node);
    if (source === undefined) return at;
    at = source;
  }
  throw new NoTrees('the graph goes in circles');
}

/** The input that a node's output equals; undefined = it equals none. */
function sourceOf({ constants }: OnnxModel, { opType, domain, inputs, attributes }: OnnxNode): string | undefined {
  if (domain !== '') return undefined;
  if (opType === 'Identity') return inputs[0];
  if (opType === 'Cast') return attributes.get('to')?.int === castToFloat ? inputs[0] : undefined;
  if (opType !== 'Mul') return undefined;
  const isOne = (name: string) => {
    const values = constants.get(name)?.values;
    return values !== undefined && values.length === 1 && values[0] === 1;
  };
  const [first = '', second = ''] = inputs;
  return isOne(second) ? first : isOne(first) ? second : undefined;
}

function producer({ nodes }: OnnxModel, name: string): OnnxNode | undefined {
  return nodes.find(({ outputs }) => outputs.includes(name));
}
