import { BinaryReader } from '@bufbuild/protobuf/wire';
import { errorMessage } from '../errors/millrace-error.js';
import { type OnnxTensor, readTensor } from './read-tensor.js';
import { doubleOf, floats, longs, readFields, textOf } from './wire-fields.js';

/** What a node is told beside its inputs; which of them is set depends on the attribute. */
export interface OnnxAttribute {
  readonly float: number | undefined;
  readonly int: number | undefined;
  readonly text: string | undefined;
  readonly floats: Float32Array;
  readonly ints: Float64Array;
  readonly texts: readonly string[];
  readonly tensor: OnnxTensor | undefined;
}

export interface OnnxNode {
  readonly opType: string;
  /** '' = ai.onnx. */
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, OnnxAttribute>;
}

/** The graph of a model, without what only tools read; graphs inside nodes (If, Loop) and functions are left out. */
export interface OnnxModel {
  readonly nodes: readonly OnnxNode[];
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly constants: ReadonlyMap<string, OnnxTensor>;
}

/** What is no ONNX model, or more than is read of one. */
export class OnnxUnreadable extends Error {}

const maxNodes = 100_000;

/**
 * Reads the graph out of the bytes of an ONNX file (onnx.proto, IR version 3 to 13). Integers beyond 2^53 are not exact. What it holds is bounded by the size of the bytes.
 * @throws OnnxUnreadable where the bytes are no such message, or have more than 100,000 nodes
 */
export function readOnnxModel(bytes: Uint8Array): OnnxModel {
  try {
    let graph: Uint8Array | undefined;
    readFields(bytes, { 7: (reader) => (graph = reader.bytes()) });
    if (graph === undefined) throw new OnnxUnreadable('the file is no ONNX model: it has no graph');
    return readGraph(graph);
  } catch (error) {
    if (error instanceof OnnxUnreadable) throw error;
    throw new OnnxUnreadable(`the file is no ONNX model: ${errorMessage(error)}`, { cause: error });
  }
}

function readGraph(bytes: Uint8Array): OnnxModel {
  const nodes: OnnxNode[] = [];
  const [inputs, outputs]: [string[], string[]] = [[], []];
  const constants = new Map<string, OnnxTensor>();
  readFields(bytes, {
    1: (reader) => {
      if (nodes.length === maxNodes) throw new OnnxUnreadable(`the graph has more than ${maxNodes} nodes`);
      nodes.push(readNode(reader.bytes()));
    },
    5: (reader) => {
      const tensor = readTensor(reader.bytes());
      constants.set(tensor.name, tensor);
    },
    11: (reader) => inputs.push(textOf(reader.bytes(), 1)),
    12: (reader) => outputs.push(textOf(reader.bytes(), 1)),
  });
  // Before IR version 4 constants were listed as inputs too.
  return { nodes, inputs: inputs.filter((name) => !constants.has(name)), outputs, constants };
}

function readNode(bytes: Uint8Array): OnnxNode {
  const [inputs, outputs]: [string[], string[]] = [[], []];
  const attributes = new Map<string, OnnxAttribute>();
  let [opType, domain] = ['', ''];
  readFields(bytes, {
    1: (reader) => inputs.push(reader.string()),
    2: (reader) => outputs.push(reader.string()),
    4: (reader) => (opType = reader.string()),
    5: (reader) => attributes.set(...readAttribute(reader.bytes())),
    7: (reader) => (domain = reader.string()),
  });
  return { opType, domain: domain === 'ai.onnx' ? '' : domain, inputs, outputs, attributes };
}

function readAttribute(bytes: Uint8Array): [name: string, attribute: OnnxAttribute] {
  let name = '';
  const found = { float: undefined as number | undefined, int: undefined as number | undefined };
  let [text, tensor]: [string | undefined, OnnxTensor | undefined] = [undefined, undefined];
  const [floatValues, intValues, texts]: [number[], number[], string[]] = [[], [], []];
  readFields(bytes, {
    1: (reader) => (name = reader.string()),
    2: (reader) => (found.float = reader.float()),
    3: (reader) => (found.int = doubleOf(reader.int64())),
    4: (reader) => (text = bytesText(reader)),
    5: (reader) => (tensor = readTensor(reader.bytes())),
    7: (reader, wireType) => floats(reader, wireType, floatValues),
    8: (reader, wireType) => longs(reader, wireType, intValues),
    9: (reader) => texts.push(bytesText(reader)),
  });
  const lists = { floats: Float32Array.from(floatValues), ints: Float64Array.from(intValues), texts };
  return [name, { ...found, text, tensor, ...lists }];
}

function bytesText(reader: BinaryReader): string {
  return Buffer.from(reader.bytes()).toString('utf8');
}
