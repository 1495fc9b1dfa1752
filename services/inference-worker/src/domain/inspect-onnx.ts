import { type BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { inspectSparse, inspectTensor, inspectValue } from './inspect-onnx-tensors.js';
import { eachField, ModelRefused } from './onnx-wire.js';

/** Operator sets that are taken, with the versions that the runtime knows; `` is ai.onnx. */
const opsets: Readonly<Record<string, readonly [number, number]>> = {
  '': [7, 26],
  'ai.onnx.ml': [1, 5],
  'com.microsoft': [1, 1],
};
const irVersions = [3, 13] as const;
/** EPContext names a file of its own, which the worker would open. */
const refusedOperators = new Set(['com.microsoft/EPContext']);
/** Graphs within graphs: If, Loop and Scan; exporters stay below 5. */
const maxDepth = 16;
const maxNodes = 100_000;
const maxInitialisers = 100_000;
/** onnxruntime takes bytes for its own flatbuffer format where these stand at 4, whatever else they are. */
const ortMagic = 'ORTM';

interface Tally {
  nodes: number;
  initialisers: number;
}

/**
 * Reads as much of an ONNX file as it takes to know that it is self-contained and of a sane size, before onnxruntime sees it. Reads ModelProto and what hangs on it
 * (onnx.proto, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto); whatever appears twice is read twice, as protobuf merges it.
 * @param bytes the whole file; empty = refused
 * @throws ModelRefused with what is wrong, in words for its owner
 */
export function inspectOnnx(bytes: Uint8Array): void {
  if (Buffer.from(bytes.subarray(4, 8)).toString('latin1') === ortMagic)
    throw new ModelRefused('it is of the format ORT, only ONNX is taken');
  const tally: Tally = { nodes: 0, initialisers: 0 };
  const seen = { irVersion: 0, graphs: 0, domains: new Set<string>() };
  eachField(bytes, (field, wire, reader) => {
    if (wire === WireType.Varint && field === 1) seen.irVersion = Number(reader.int64());
    else if (wire !== WireType.LengthDelimited) return false;
    else if (field === 7) {
      seen.graphs += 1;
      inspectGraph(reader.bytes(), 1, tally);
    } else if (field === 8) seen.domains.add(inspectOpset(reader.bytes()));
    else if (field === 20) throw new ModelRefused('it has training_info, only models to run are taken');
    else if (field === 25) throw new ModelRefused('it has functions of its own; inline them (onnx.inliner)');
    else return false;
    return true;
  });
  if (seen.graphs === 0) throw new ModelRefused('it has no graph: no ONNX model');
  if (seen.irVersion < irVersions[0] || seen.irVersion > irVersions[1])
    throw new ModelRefused(`ir_version ${seen.irVersion}; ${irVersions[0]} to ${irVersions[1]} are taken`);
  if (seen.domains.size === 0) throw new ModelRefused('it imports no operator set (opset_import)');
}

function inspectOpset(bytes: Uint8Array): string {
  let domain = '';
  let version = 0;
  eachField(bytes, (field, wire, reader) => {
    if (field === 1 && wire === WireType.LengthDelimited) domain = domainOf(reader);
    else if (field === 2 && wire === WireType.Varint) version = Number(reader.int64());
    else return false;
    return true;
  });
  const range = knownOpset(domain);
  if (range === undefined) throw unknownDomain('opset_import', domain);
  if (version < range[0] || version > range[1])
    throw new ModelRefused(
      `opset_import ${shown(domain)} ${version}; versions ${range[0]} to ${range[1]} of it are taken`,
    );
  return domain;
}

function inspectGraph(bytes: Uint8Array, depth: number, tally: Tally): void {
  if (depth > maxDepth) throw new ModelRefused(`it has graphs within graphs more than ${maxDepth} deep`);
  eachField(bytes, (field, wire, reader) => {
    if (wire !== WireType.LengthDelimited) return false;
    if (field === 1) inspectNode(reader.bytes(), depth, tally);
    else if (field === 5) {
      countInitialiser(tally);
      inspectTensor(reader.bytes());
    } else if (field === 15) {
      countInitialiser(tally);
      inspectSparse(reader.bytes());
    } else if (field === 11 || field === 12) inspectValue(reader.bytes());
    else return false;
    return true;
  });
}

function countInitialiser(tally: Tally): void {
  tally.initialisers += 1;
  if (tally.initialisers > maxInitialisers)
    throw new ModelRefused(`it has more than ${maxInitialisers} initialisers, which is the bound`);
}

function inspectNode(bytes: Uint8Array, depth: number, tally: Tally): void {
  tally.nodes += 1;
  if (tally.nodes > maxNodes) throw new ModelRefused(`it has more than ${maxNodes} nodes, which is the bound`);
  let operator = '';
  let domain = '';
  eachField(bytes, (field, wire, reader) => {
    if (wire !== WireType.LengthDelimited) return false;
    if (field === 4) operator = reader.string();
    else if (field === 5) inspectAttribute(reader.bytes(), depth, tally);
    else if (field === 7) domain = domainOf(reader);
    else return false;
    return true;
  });
  if (knownOpset(domain) === undefined) throw unknownDomain(`operator ${operator.slice(0, 64)}`, domain);
  if (refusedOperators.has(`${domain}/${operator}`))
    throw new ModelRefused(`operator ${operator} of ${domain} is not taken: it reads another file`);
}

function inspectAttribute(bytes: Uint8Array, depth: number, tally: Tally): void {
  eachField(bytes, (field, wire, reader) => {
    if (wire !== WireType.LengthDelimited) return false;
    if (field === 5 || field === 10) inspectTensor(reader.bytes());
    else if (field === 6 || field === 11) inspectGraph(reader.bytes(), depth + 1, tally);
    else if (field === 22 || field === 23) inspectSparse(reader.bytes());
    else return false;
    return true;
  });
}

/** onnxruntime takes `ai.onnx` for the empty domain. */
function domainOf(reader: BinaryReader): string {
  const domain = reader.string();
  return domain === 'ai.onnx' ? '' : domain;
}

function knownOpset(domain: string): readonly [number, number] | undefined {
  return Object.hasOwn(opsets, domain) ? opsets[domain] : undefined;
}

function unknownDomain(where: string, domain: string): ModelRefused {
  return new ModelRefused(
    `${where} is of domain ${shown(domain)}; ${Object.keys(opsets).map(shown).join(', ')} are taken`,
  );
}

function shown(domain: string): string {
  return domain === '' ? 'ai.onnx' : domain.slice(0, 64);
}
