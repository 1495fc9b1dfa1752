import { MillraceError } from '#libs/errors/millrace-error.js';
import { shown, type Tensor } from '#libs/tensors/tensor-codec.js';
import type { LiveEndpoint } from './arms.js';
import type { EndpointPlan } from './endpoint-plan.js';
import { outputNames } from './model-metadata.js';

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
  /** Empty = all. */
  readonly outputs: readonly RequestedOutput[];
  /** 1 = the highest, 0 = the default and next; whatever is above goes first when calls are too many. */
  readonly priority: number;
  /** What its parameter `timeout` leaves it, epoch ms; Infinity = it has none. */
  readonly expiresAtMs: number;
}

const refuse = (message: string): never => {
  throw new MillraceError('invalid-argument', message);
};

/** What can be said before the tensors are decoded. @throws MillraceError invalid-argument */
export function checkSize({ plan }: LiveEndpoint, id: string, inputs: number): void {
  if (id.length > maxIdCharacters) refuse(`id: ${id.length} characters, at most ${maxIdCharacters} are taken`);
  const most = plan.columns.length + 1; // the columns, and the whole vector beside them
  if (inputs > most) refuse(`expected at most ${most} inputs but got ${inputs} inputs for model '${plan.name}'`);
}

/** @throws MillraceError invalid-argument where an output is not the endpoint's, comes twice, or has no classes */
export function checkOutputs(plan: EndpointPlan, outputs: readonly RequestedOutput[]): void {
  const names = outputNames(plan);
  const seen = new Set<string>();
  for (const { name, classes } of outputs) {
    if (!names.includes(name))
      refuse(
        `unexpected inference output '${shown(name)}' for model '${plan.name}'; its outputs are ${names.join(', ')}`,
      );
    if (seen.has(name)) refuse(`output '${name}' is requested twice`);
    if (classes > 0 && name !== names[0])
      refuse(`output '${name}': classification is of '${names[0]}', not of a BYTES output`);
    seen.add(name);
  }
}

/** @throws MillraceError where nobody waits for the answer any more: deadline-exceeded by the caller's deadline, unavailable by the request's timeout */
export function refuseLate({ expiresAtMs }: InferRequest, deadlineMs: number, when: string): void {
  const nowMs = Date.now();
  if (nowMs >= deadlineMs) throw new MillraceError('deadline-exceeded', `the deadline had passed ${when}`);
  if (nowMs >= expiresAtMs) throw timeoutExpired();
}

/** As Triton says it of a request that waited longer than its `timeout`. */
export function timeoutExpired(): MillraceError {
  return new MillraceError('unavailable', 'Request timeout expired: the parameter `timeout`, in microseconds, is over');
}
