import { WireType } from '@bufbuild/protobuf/wire';
import { eachField, ModelRefused, takeNumbers } from './onnx-wire.js';

/** The narrowest datatypes pack four elements in a byte. */
const maxElementsPerByte = 4n;
/** A sparse tensor is made dense when the model is loaded, whatever its file is like: 512 MiB of float32. */
const maxDenseElements = 2n ** 27n;
/** Of an input or output, with 1 for each dimension that is left open: 256 MiB of float32. */
const maxValueElements = 2n ** 26n;
const maxValueRank = 8;

/** TensorProto: its elements are in the file, all of them. @throws ModelRefused */
export function inspectTensor(bytes: Uint8Array): void {
  const dims: bigint[] = [];
  let name = '';
  eachField(bytes, (field, wire, reader) => {
    if (field === 1) return takeNumbers(wire, reader, dims);
    if (field === 8 && wire === WireType.LengthDelimited) name = reader.string().slice(0, 64);
    else if (field === 13 && wire === WireType.LengthDelimited) throw external(name);
    else if (field === 14 && wire === WireType.Varint) {
      if (reader.int32() !== 0) throw external(name);
    } else return false;
    return true;
  });
  const elements = product(dims, `tensor ${name}`);
  if (elements > BigInt(bytes.length) * maxElementsPerByte)
    throw new ModelRefused(`tensor ${name} claims ${elements} elements, in ${bytes.length} bytes`);
}

/** SparseTensorProto: values and indices in the file, and not too many elements once it is dense. @throws ModelRefused */
export function inspectSparse(bytes: Uint8Array): void {
  const dims: bigint[] = [];
  eachField(bytes, (field, wire, reader) => {
    if (field === 3) return takeNumbers(wire, reader, dims);
    if ((field !== 1 && field !== 2) || wire !== WireType.LengthDelimited) return false;
    inspectTensor(reader.bytes());
    return true;
  });
  const elements = product(dims, 'a sparse tensor');
  if (elements > maxDenseElements)
    throw new ModelRefused(`a sparse tensor has ${elements} elements; ${maxDenseElements} is the bound`);
}

/** ValueInfoProto of an input or output: the shape that it declares, where it is a tensor. @throws ModelRefused */
export function inspectValue(bytes: Uint8Array): void {
  let name = '';
  const types: Uint8Array[] = [];
  eachField(bytes, (field, wire, reader) => {
    if (wire !== WireType.LengthDelimited) return false;
    if (field === 1) name = reader.string().slice(0, 64);
    else if (field === 2) types.push(reader.bytes());
    else return false;
    return true;
  });
  for (const type of types) {
    const sizes = nested(type, 1).flatMap((tensor) => nested(tensor, 2).flatMap(sizesOf));
    if (sizes.length > maxValueRank)
      throw new ModelRefused(`${name} has ${sizes.length} dimensions; ${maxValueRank} is the bound`);
    const elements = product(sizes, name);
    if (elements > maxValueElements)
      throw new ModelRefused(`${name} declares ${elements} elements; ${maxValueElements} is the bound`);
  }
}

/** TensorShapeProto: its dimensions, 1 where one is left open. */
function sizesOf(shape: Uint8Array): bigint[] {
  return nested(shape, 1).map((dim) => {
    let size = 1n;
    eachField(dim, (field, wire, reader) => {
      if (field !== 1 || wire !== WireType.Varint) return false;
      // Some exporters write 0 or -1 where they mean that a dimension is open.
      size = BigInt(reader.int64());
      if (size < 1n) size = 1n;
      return true;
    });
    return size;
  });
}

function nested(message: Uint8Array, fieldNo: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  eachField(message, (field, wire, reader) => {
    if (field !== fieldNo || wire !== WireType.LengthDelimited) return false;
    found.push(reader.bytes());
    return true;
  });
  return found;
}

function product(dims: readonly bigint[], what: string): bigint {
  // A rank of thousands would make a product of as many digits.
  if (dims.length > 64) throw new ModelRefused(`${what} has ${dims.length} dimensions`);
  const negative = dims.find((size) => size < 0n);
  if (negative !== undefined) throw new ModelRefused(`${what} has a dimension of ${negative}`);
  return dims.reduce((total, size) => total * size, 1n);
}

function external(name: string): ModelRefused {
  return new ModelRefused(
    `tensor ${name} keeps its data in another file; save the model with its data inside (save_as_external_data=False)`,
  );
}
