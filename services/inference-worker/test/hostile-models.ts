import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import {
  bool,
  type Field,
  float32,
  graph,
  graphAttribute,
  int64,
  int64s,
  message,
  model,
  node,
  opset,
  tensor,
  tensorAttribute,
  value,
} from './onnx-messages.js';

const inputs = [value('x', float32, ['N', 2])];
const outputs = [value('y', float32, ['N', 2])];
const identity = node('Identity', ['x'], ['y']);
const add = node('Add', ['x', 'w'], ['y']);
const floats = Buffer.from(new Float32Array([1, 2]).buffer);
/** data_location EXTERNAL, and a file that every machine has. */
const elsewhere: readonly Field[] = [
  [13, message([1, 'location'], [2, '../../../../../../etc/passwd'])],
  [14, 1],
];
const stolen = tensor('w', float32, [2], Buffer.alloc(0), ...elsewhere);

/** y = x. */
export function goodModel(): Buffer {
  return model(graph({ nodes: [identity], inputs, outputs }));
}

function ofNode(one: Uint8Array, opsets?: readonly Field[]): Buffer {
  return model(graph({ nodes: [one], inputs, outputs }), opsets);
}

/** Only what stands before the graph within is written at each level, so that a hundred thousand of them are a few MB made at once. */
function nestedGraphs(depth: number): Buffer {
  const parts: Uint8Array[] = [graph({ nodes: [identity] })];
  let length = parts[0]!.length;
  const wrap = (fieldNo: number, before: Uint8Array): void => {
    const prefix = new BinaryWriter().raw(before).tag(fieldNo, WireType.LengthDelimited).uint32(length).finish();
    parts.push(prefix);
    length += prefix.length;
  };
  const attribute = message([1, 'then_branch'], [20, 5]);
  for (let i = 0; i < depth; i++) {
    wrap(6, attribute);
    wrap(5, message([4, 'If']));
    wrap(1, Buffer.alloc(0));
  }
  wrap(7, Buffer.alloc(0));
  return Buffer.concat(parts.toReversed());
}

function nestedGroups(depth: number): Buffer {
  const startOfGroup = (9 << 3) | WireType.StartGroup;
  return Buffer.concat([Buffer.alloc(depth, startOfGroup), goodModel()]);
}

/** Refused by reading the file, each with words of why. */
export const unreadable: readonly (readonly [name: string, words: RegExp, bytes: () => Buffer])[] = [
  ['is empty', /no graph/, () => Buffer.alloc(0)],
  ['is cut short', /no ONNX protobuf, or cut short/, () => goodModel().subarray(0, -3)],
  [
    'reads /etc/passwd as an initialiser',
    /tensor w keeps its data in another file/,
    () => model(graph({ nodes: [add], tensors: [stolen], inputs, outputs })),
  ],
  [
    'only lists another file, without saying that its data is there',
    /keeps its data in another file/,
    () => model(graph({ nodes: [add], tensors: [tensor('w', float32, [2], floats, elsewhere[0]!)], inputs, outputs })),
  ],
  [
    'reads another file in an attribute of a graph in a graph',
    /keeps its data in another file/,
    () => {
      const constant = node('Constant', [], ['y'], tensorAttribute('value', stolen));
      return ofNode(node('If', ['c'], ['y'], graphAttribute('then_branch', graph({ nodes: [constant] }))));
    },
  ],
  [
    'reads another file in a second graph, which protobuf merges with the first',
    /keeps its data in another file/,
    () => Buffer.concat([goodModel(), message([7, graph({ tensors: [stolen] })])]),
  ],
  [
    'has an operator of a domain of its own',
    /operator Steal is of domain evil.example; ai.onnx, ai.onnx.ml, com.microsoft are taken/,
    () => ofNode(node('Steal', ['x'], ['y'], [7, 'evil.example'])),
  ],
  [
    'imports an unknown domain',
    /opset_import is of domain evil/,
    () => ofNode(identity, [opset('', 17), opset('evil', 1)]),
  ],
  ['is of domain __proto__', /is of domain __proto__/, () => ofNode(node('Identity', ['x'], ['y'], [7, '__proto__']))],
  ['has a huge opset', /ai.onnx 1000000; versions 7 to/, () => ofNode(identity, [opset('', 1_000_000)])],
  ['has no opset', /imports no operator set/, () => ofNode(identity, [])],
  [
    'opens a file by EPContext',
    /EPContext of com.microsoft is not taken/,
    () => ofNode(node('EPContext', ['x'], ['y'], [7, 'com.microsoft']), [opset('', 17), opset('com.microsoft', 1)]),
  ],
  [
    'looks like the format of onnxruntime too',
    /is of the format ORT/,
    () => model(graph({ nodes: [identity], inputs, outputs }), [opset('', 17)], [[2, 'ORTM']]),
  ],
  ['has functions of its own', /has functions of its own/, () => Buffer.concat([goodModel(), message([25, floats])])],
  ['has 100,000 graphs within graphs', /more than 16 deep/, () => nestedGraphs(100_000)],
  ['has 100,000 nested groups', /has protobuf groups/, () => nestedGroups(100_000)],
  [
    'claims 2^40 elements',
    /tensor w claims 1099511627776 elements/,
    () => model(graph({ nodes: [add], tensors: [tensor('w', float32, [2 ** 40], floats)], inputs, outputs })),
  ],
  [
    'has a dimension below 0',
    /has a dimension of -2/,
    () => model(graph({ nodes: [add], tensors: [tensor('w', float32, [-2], floats)], inputs, outputs })),
  ],
  [
    'takes an input of 2^40 elements',
    /x declares 1099511627776 elements/,
    () => model(graph({ nodes: [identity], inputs: [value('x', float32, [2 ** 40])], outputs })),
  ],
  [
    'has more nodes than the bound',
    /more than 100000 nodes/,
    () => model(graph({ nodes: Array.from({ length: 100_001 }, () => identity), inputs, outputs })),
  ],
];

/** Three layers, the second of so many MiB. */
export function weightedModel(mebibytes: number): Buffer {
  const wide = mebibytes * 512;
  const weights = (name: string, rows: number, columns: number) =>
    tensor(name, float32, [rows, columns], Buffer.alloc(rows * columns * 4, 1));
  const tensors = [weights('a', 2, 512), weights('b', 512, wide), weights('c', wide, 2)];
  const nodes = [
    node('MatMul', ['x', 'a'], ['xa']),
    node('MatMul', ['xa', 'b'], ['xab']),
    node('MatMul', ['xab', 'c'], ['y']),
  ];
  return model(graph({ nodes, tensors, inputs, outputs }));
}

/** A Loop without a count or a condition to end. */
export function endlessModel(): Buffer {
  const body = graph({
    nodes: [node('Identity', ['goes_on'], ['go_on']), node('Identity', ['v'], ['v_out'])],
    inputs: [value('i', int64, []), value('goes_on', bool, []), value('v', float32, ['N', 2])],
    outputs: [value('go_on', bool, []), value('v_out', float32, ['N', 2])],
  });
  return ofNode(node('Loop', ['', '', 'x'], ['y'], graphAttribute('body', body)));
}

/** Expands its input to so many MiB. */
export function largeModel(mebibytes: number): Buffer {
  const shape = tensor('shape', int64, [3], int64s(mebibytes * 2 ** 17, 1, 2));
  const nodes = [node('Expand', ['x', 'shape'], ['y'])];
  return model(graph({ nodes, tensors: [shape], inputs, outputs: [value('y', float32, ['M', 'N', 2])] }));
}
