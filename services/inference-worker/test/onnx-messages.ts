import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/** Just enough of onnx.proto to write the models of tests, good ones and hostile ones; https://github.com/onnx/onnx/blob/main/onnx/onnx.proto */
export type Field = readonly [fieldNo: number, value: number | string | Uint8Array];

export function message(...fields: readonly Field[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const [fieldNo, value] of fields) {
    if (typeof value === 'number') writer.tag(fieldNo, WireType.Varint).int64(value);
    else writer.tag(fieldNo, WireType.LengthDelimited).bytes(typeof value === 'string' ? Buffer.from(value) : value);
  }
  return writer.finish();
}

export const float32 = 1;
export const uint8 = 2;
export const int64 = 7;
export const bool = 9;

export function opset(domain: string, version: number): Field {
  return [8, message([1, domain], [2, version])];
}

/** ModelProto of this graph. */
export function model(
  graphBytes: Uint8Array,
  opsets: readonly Field[] = [opset('', 17)],
  more: readonly Field[] = [],
): Buffer {
  return Buffer.from(message([1, 10], ...more, [7, graphBytes], ...opsets));
}

/** GraphProto. */
export function graph(parts: {
  nodes?: readonly Uint8Array[];
  tensors?: readonly Uint8Array[];
  inputs?: readonly Uint8Array[];
  outputs?: readonly Uint8Array[];
}): Uint8Array {
  const all = (fieldNo: number, values: readonly Uint8Array[] = []): Field[] =>
    values.map((value) => [fieldNo, value] as const);
  return message(
    ...all(1, parts.nodes),
    [2, 'graph'],
    ...all(5, parts.tensors),
    ...all(11, parts.inputs),
    ...all(12, parts.outputs),
  );
}

/** NodeProto. */
export function node(
  operator: string,
  inputs: readonly string[],
  outputs: readonly string[],
  ...more: readonly Field[]
): Uint8Array {
  return message(
    ...inputs.map((name): Field => [1, name]),
    ...outputs.map((name): Field => [2, name]),
    [4, operator],
    ...more,
  );
}

/** The attribute field of a node, with a graph in it: If, Loop, Scan. */
export function graphAttribute(name: string, body: Uint8Array): Field {
  return [5, message([1, name], [6, body], [20, 5])];
}

/** The attribute field of a node, with a tensor in it. */
export function tensorAttribute(name: string, tensor: Uint8Array): Field {
  return [5, message([1, name], [5, tensor], [20, 4])];
}

/** TensorProto; more fields may say where its data lies. */
export function tensor(
  name: string,
  dataType: number,
  dims: readonly number[],
  data: Uint8Array,
  ...more: readonly Field[]
): Uint8Array {
  return message(...dims.map((size): Field => [1, size]), [2, dataType], [8, name], [9, data], ...more);
}

export function int64s(...values: readonly number[]): Buffer {
  return Buffer.from(new BigInt64Array(values.map(BigInt)).buffer);
}

/** ValueInfoProto; a text = an open dimension. */
export function value(name: string, dataType: number, dims: readonly (number | string)[]): Uint8Array {
  const shape = message(...dims.map((dim): Field => [1, message([typeof dim === 'number' ? 1 : 2, dim])]));
  return message([1, name], [2, message([1, message([1, dataType], [2, shape])])]);
}
