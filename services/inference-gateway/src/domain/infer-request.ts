import { MillraceError } from '#libs/errors/millrace-error.js';
import type { RawTensor } from '#libs/tensors/raw-tensor.js';
import { shown, type Tensor } from '#libs/tensors/tensor-codec.js';
import type { EndpointPlan } from './endpoint-plan.js';
import { explanationOutputs } from './explanation-outputs.js';
import { LateRequest } from './late-request.js';
import { outputNames } from './model-metadata.js';
import type { ServedEndpoint } from './tensor-endpoint.js';

/** Text of a request's id. */
const maxIdCharacters = 1_024;

/** An output that is asked for. */
export interface RequestedOutput {
  readonly name: string;
  /** So many of the most probable classes instead of the values; 0 = the values. */
  readonly classes: number;
}

/** One request of the protocol, however it came: decoded, and not yet held against the columns of its endpoint. */
export interface InferRequest {
  readonly id: string;
  readonly tensors: readonly Tensor[];
  /** Of an endpoint of a tensor model, instead of `tensors`, and held against its inputs already. */
  readonly raw?: readonly RawTensor[] | undefined;
  /** Empty = all. */
  readonly outputs: readonly RequestedOutput[];
  /** 1 = the highest, 0 = the default and next; whatever is above goes first when calls are too many. */
  readonly priority: number;
  /** What its parameter `timeout` leaves it, epoch ms; Infinity = it has none. */
  readonly expiresAtMs: number;
  /** Its parameter `explain`. */
  readonly explain?: boolean;
}

const refuse = (message: string): never => {
  throw new MillraceError('invalid-argument', message);
};

/** What can be said before the tensors are decoded. @throws MillraceError invalid-argument */
export function checkSize(endpoint: ServedEndpoint, id: string, inputs: number): void {
  const { name } = endpoint.plan;
  if (id.length > maxIdCharacters) refuse(`id: ${id.length} characters, at most ${maxIdCharacters} are taken`);
  // The columns and the whole vector beside them; or the inputs of the model and one more, which is named as the one that is wrong.
  const most = (endpoint.signature === undefined ? endpoint.plan.columns : endpoint.signature.inputs).length + 1;
  if (inputs > most) refuse(`expected at most ${most} inputs but got ${inputs} inputs for model '${name}'`);
}

/** @throws MillraceError invalid-argument where an output is not the endpoint's, comes twice, or has no classes */
export function checkOutputs(plan: EndpointPlan, outputs: readonly RequestedOutput[]): void {
  if (outputs.length === 0) return;
  const names = outputNames(plan);
  const isKnown = (name: string) => names.includes(name) || explanationOutputs.includes(name);
  const unclassed = (name: string) => (name === names[0] ? undefined : `of '${names[0]}' alone`);
  checkRequested(plan.name, outputs, names, isKnown, unclassed);
}

/**
 * What is wrong with requested outputs, in Triton's words.
 * @param names that the model says of itself @param isKnown of them, and of what may be asked for beside them
 * @param unclassed what classification is of instead, for an output that it is not of
 * @throws MillraceError invalid-argument
 */
export function checkRequested(
  model: string,
  outputs: readonly RequestedOutput[],
  names: readonly string[],
  isKnown: (name: string) => boolean,
  unclassed: (name: string) => string | undefined,
): void {
  const seen = new Set<string>();
  for (const { name, classes } of outputs) {
    if (!isKnown(name))
      refuse(`unexpected inference output '${shown(name)}' for model '${model}'; its outputs are ${names.join(', ')}`);
    if (seen.has(name)) refuse(`output '${name}' is requested twice`);
    const other = classes > 0 ? unclassed(name) : undefined;
    if (other !== undefined) refuse(`output '${name}': classification is ${other}`);
    seen.add(name);
  }
}

/** In Triton's words. @param expected of how many it says so @throws MillraceError invalid-argument */
export function refuseMissing(
  model: string,
  expected: string,
  got: readonly string[],
  missing: readonly string[],
): never {
  return refuse(
    `${expected} but got ${got.length} inputs for model '${model}'. Got input(s) [${quoted(got)}], but missing required input(s) [${quoted(missing)}]. Please provide all required input(s).`,
  );
}

const quoted = (names: readonly string[]): string => names.map((name) => `'${name}'`).join(',');

/** @throws MillraceError where nobody waits for the answer any more: deadline-exceeded by the caller's deadline, unavailable by the request's timeout */
export function refuseLate({ expiresAtMs }: InferRequest, deadlineMs: number, when: string): void {
  const nowMs = Date.now();
  if (nowMs >= deadlineMs) throw new LateRequest(when);
  if (nowMs >= expiresAtMs) throw timeoutExpired();
}

/** As Triton says it of a request that waited longer than its `timeout`. */
export function timeoutExpired(): MillraceError {
  return new MillraceError('unavailable', 'Request timeout expired: the parameter `timeout`, in microseconds, is over');
}
