import { BinaryReader } from '@bufbuild/protobuf/wire';
import {
  InferTensorContents,
  ModelInferRequest,
  ModelInferRequest_InferInputTensor as InputTensor,
  ModelInferRequest_InferRequestedOutputTensor as OutputTensor,
  ModelInferRequest_ParametersEntry as ParametersEntry,
} from '#libs/contracts/generated/inference/v2/inference.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import { shown } from '#libs/tensors/tensor-codec.js';

/** A request as it was read, or what keeps it from being read. */
export type ReadInferRequest = ModelInferRequest & { readonly unreadable?: string };

/** Reads a ModelInferRequest and never throws, for the server tells nobody why: what is wrong is found by looking again, and named. */
export function readInferMessage(bytes: Buffer): ReadInferRequest {
  try {
    return ModelInferRequest.decode(bytes);
  } catch (error) {
    return { ...ModelInferRequest.fromPartial(whatCanBeRead(bytes)), unreadable: problemOf(bytes, error) };
  }
}

const fields = { modelName: 1, id: 3, parameters: 4, inputs: 5, outputs: 6 };

/** Whom it is about: names alone. */
function whatCanBeRead(bytes: Uint8Array): { modelName: string; id: string } {
  return { modelName: textOf(bytes, fields.modelName), id: textOf(bytes, fields.id) };
}

function problemOf(bytes: Uint8Array, error: unknown): string {
  for (const [field, part] of partsOf(bytes)) {
    if (field === fields.inputs && fails(InputTensor, part)) return inputProblem(part);
    if (field === fields.outputs && fails(OutputTensor, part))
      return `output '${named(part)}': ${reason(OutputTensor, part)}`;
    if (field === fields.parameters && fails(ParametersEntry, part))
      return `parameter '${named(part)}': ${reason(ParametersEntry, part)}`;
  }
  return `the request is not a ModelInferRequest: ${said(error)}`;
}

function inputProblem(input: Uint8Array): string {
  const name = `input '${named(input)}'`;
  for (const [field, part] of partsOf(input))
    if (field === 5 && fails(InferTensorContents, part))
      return `${name}: contents: ${reason(InferTensorContents, part)}`;
  return `${name}: shape or parameters: ${reason(InputTensor, input)}`;
}

interface Message {
  decode(bytes: Uint8Array): unknown;
}

function fails(message: Message, bytes: Uint8Array): boolean {
  return reason(message, bytes) !== '';
}

/** Empty = it can be read. */
function reason(message: Message, bytes: Uint8Array): string {
  try {
    message.decode(bytes);
    return '';
  } catch (error) {
    return said(error);
  }
}

function said(error: unknown): string {
  const text = errorMessage(error);
  return /SAFE_INTEGER/.test(text)
    ? 'a number is beyond 2^53, the largest that is taken'
    : `not protobuf (${shown(text)})`;
}

/** The length-delimited fields of a message, as far as it can be read. */
function partsOf(bytes: Uint8Array): [field: number, part: Uint8Array][] {
  const parts: [number, Uint8Array][] = [];
  const reader = new BinaryReader(bytes);
  try {
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (wireType === 2) parts.push([field, reader.bytes()]);
      else reader.skip(wireType);
    }
  } catch {
    // The rest cannot be read; what came before it can.
  }
  return parts;
}

function textOf(bytes: Uint8Array, field: number): string {
  const part = partsOf(bytes).findLast(([found]) => found === field)?.[1];
  return part === undefined ? '' : Buffer.from(part).toString('utf8');
}

function named(part: Uint8Array): string {
  return shown(textOf(part, 1));
}
