import { float32, graph, model, node, tensor, value } from './onnx-messages.js';

export const heavyWidth = 256;

/** A model whose run of 256 rows takes some hundred milliseconds of a core: so many products of matrices, one behind the other. */
export function heavyModel(products = 300): Buffer {
  const names = Array.from({ length: products + 1 }, (_, i) => (i === 0 ? 'x' : i === products ? 'y' : `h${i}`));
  const nodes = names.slice(1).map((name, i) => node('MatMul', [names[i]!, 'w'], [name]));
  const weights = tensor('w', float32, [heavyWidth, heavyWidth], Buffer.alloc(heavyWidth ** 2 * 4));
  const [inputs, outputs] = ['x', 'y'].map((name) => [value(name, float32, ['N', heavyWidth])]);
  return model(graph({ nodes, tensors: [weights], inputs: inputs!, outputs: outputs! }));
}
