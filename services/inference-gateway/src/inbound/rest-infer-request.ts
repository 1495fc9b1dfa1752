import type { IncomingHttpHeaders } from 'node:http';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { decodeJson } from '#libs/tensors/json-tensor.js';
import { rawFromJson, rawTensor } from '#libs/tensors/raw-tensor.js';
import { decodeRaw, shown, type TensorHead } from '#libs/tensors/tensor-codec.js';
import { checkInputs } from '../domain/check-tensors.js';
import { checkSize, type InferRequest, type RequestedOutput } from '../domain/infer-request.js';
import { maxElements } from '../domain/read-request.js';
import { classesOf, expiryOf, priorityOf, flag, type ParameterValue } from '../domain/request-parameters.js';
import type { ServedEndpoint } from '../domain/tensor-endpoint.js';
import { rawRequest } from './rest-raw-request.js';

/** A request over HTTP, and which of its outputs are to come back in binary. */
export interface RestInferRequest extends InferRequest {
  isBinary(output: string): boolean;
}

type Json = Readonly<Record<string, unknown>>;

const refuse = (message: string): never => {
  throw new MillraceError('invalid-argument', message);
};

/**
 * A body of POST .../infer: JSON; or, with the binary extension, as many bytes of JSON as `Inference-Header-Content-Length` says and the tensors' raw bytes behind them, in
 * the order of the inputs; 0 of them and the body is one tensor. @throws MillraceError invalid-argument naming what is wrong
 */
export function readRestRequest(
  endpoint: ServedEndpoint,
  headers: IncomingHttpHeaders,
  body: Buffer,
): RestInferRequest {
  const jsonBytes = headerLength(headers, body);
  if (jsonBytes === 0) return { ...rawRequest(endpoint, body), isBinary: () => true };
  const json = parse(body.subarray(0, jsonBytes));
  const id = json['id'] ?? '';
  if (typeof id !== 'string') return refuse(`id: ${kindOf(id)}, expected a string`);
  const inputs = listOf(json, 'inputs');
  checkSize(endpoint, id, inputs.length);
  const parameters = parametersOf(json, 'the request');
  const outputs = json['outputs'] === undefined ? [] : listOf(json, 'outputs');
  const allBinary =
    parameters['binary_data_output'] !== undefined &&
    flag('binary_data_output', parameters['binary_data_output'] as ParameterValue);
  const binary = new Map<string, boolean>();
  return {
    id,
    ...inputsOf(endpoint, inputs, body.subarray(jsonBytes)),
    outputs: outputs.map((output) => outputOf(output, allBinary, binary)),
    priority: priorityOf((name) => valueOf(parameters[name])),
    expiresAtMs: expiryOf(Object.keys(parameters), (name) => valueOf(parameters[name])),
    explain: parameters['explain'] !== undefined && flag('explain', valueOf(parameters['explain'])),
    isBinary: (output) => binary.get(output) ?? allBinary,
  };
}

function headerLength(headers: IncomingHttpHeaders, body: Buffer): number {
  const text = headers['inference-header-content-length'];
  if (text === undefined) return body.length === 0 ? refuse('body: it is empty, expected JSON') : body.length;
  const length = /^\d{1,10}$/.test(String(text)) ? Number(text) : Number.NaN;
  if (!(length <= body.length))
    refuse(
      `Inference-Header-Content-Length: "${shown(String(text))}" must be a whole number of at most ${body.length}, the bytes of the body`,
    );
  return length;
}

function parse(bytes: Buffer): Json {
  try {
    const json: unknown = JSON.parse(bytes.toString('utf8'));
    if (isObject(json)) return json;
  } catch (error) {
    throw new MillraceError('invalid-argument', `body: failed to parse the request JSON: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return refuse('body: expected a JSON object');
}

function inputsOf(
  endpoint: ServedEndpoint,
  inputs: readonly unknown[],
  binary: Buffer,
): Pick<InferRequest, 'tensors' | 'raw'> {
  const { name } = endpoint.plan;
  if (endpoint.signature === undefined) {
    const most = maxElements(endpoint);
    const json = (head: TensorHead, data: unknown) => decodeJson(head, data, most);
    return { tensors: tensorsOf(name, inputs, binary, json, (head, bytes) => decodeRaw(name, head, bytes, most)) };
  }
  checkInputs(endpoint, inputs.map(headOf));
  const raw = tensorsOf(name, inputs, binary, rawFromJson, (head, bytes) => rawTensor(name, head, bytes));
  return { tensors: [], raw };
}

function tensorsOf<T>(
  model: string,
  inputs: readonly unknown[],
  binary: Buffer,
  fromJson: (head: TensorHead, data: unknown) => T,
  fromRaw: (head: TensorHead, bytes: Buffer) => T,
): T[] {
  let at = 0;
  const tensors = inputs.map((input, i) => {
    const head = headOf(input, i);
    const { data, parameters } = input as Json;
    const bytes = binarySize(head, parametersOf({ parameters }, `input '${shown(head.name)}'`));
    if (bytes === undefined) return fromJson(head, data);
    if (data !== undefined)
      refuse(`input '${shown(head.name)}': it has data and binary_data_size, expected one of them`);
    const left = binary.length - at;
    if (bytes > left)
      refuse(`input '${shown(head.name)}': binary_data_size is ${bytes}, and ${left} bytes are left in the body`);
    at += bytes;
    return fromRaw(head, binary.subarray(at - bytes, at));
  });
  if (at < binary.length)
    refuse(
      `unexpected additional input data for model '${model}': ${binary.length - at} bytes that no input claims by binary_data_size`,
    );
  return tensors;
}

function headOf(input: unknown, i: number): TensorHead {
  if (!isObject(input)) return refuse(`inputs[${i}]: ${kindOf(input)}, expected an object`);
  const { name, datatype, shape } = input;
  if (typeof name !== 'string' || name === '')
    return refuse(`inputs[${i}]: name is ${kindOf(name)}, expected a string`);
  if (typeof datatype !== 'string')
    return refuse(`input '${shown(name)}': datatype is ${kindOf(datatype)}, expected a string`);
  if (!Array.isArray(shape) || !shape.every((size) => typeof size === 'number'))
    return refuse(`input '${shown(name)}': shape must be a list of numbers`);
  return { name, datatype, shape };
}

function binarySize({ name }: TensorHead, parameters: Json): number | undefined {
  const bytes = parameters['binary_data_size'];
  if (bytes === undefined) return undefined;
  if (typeof bytes === 'number' && Number.isInteger(bytes) && bytes >= 0) return bytes;
  return refuse(`input '${shown(name)}': binary_data_size is ${kindOf(bytes)}, expected a whole number of bytes`);
}

function outputOf(output: unknown, allBinary: boolean, binary: Map<string, boolean>): RequestedOutput {
  if (!isObject(output) || typeof output['name'] !== 'string')
    return refuse('outputs: each must be an object with a name');
  const name = output['name'];
  const parameters = parametersOf(output, `output '${shown(name)}'`);
  const own = parameters['binary_data'];
  binary.set(name, own === undefined ? allBinary : flag('binary_data', valueOf(own)));
  const given = Object.hasOwn(parameters, 'classification');
  return { name, classes: classesOf(name, valueOf(parameters['classification']), given) };
}

function parametersOf({ parameters }: Json, whose: string): Json {
  if (parameters === undefined) return {};
  return isObject(parameters)
    ? parameters
    : refuse(`${whose}: parameters is ${kindOf(parameters)}, expected an object`);
}

function listOf(json: Json, name: string): readonly unknown[] {
  const list = json[name];
  return Array.isArray(list) ? list : refuse(`${name}: ${kindOf(list)}, expected a list`);
}

function valueOf(value: unknown): ParameterValue {
  return ['boolean', 'number', 'string'].includes(typeof value) ? (value as ParameterValue) : undefined;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'missing';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'an object' : shown(JSON.stringify(value));
}
