import type { Candidate, ModelVersion } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { TensorSpec } from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import type { EndpointSpec, ResponseCacheSpec } from '#libs/definitions/definition-kinds.js';
import type { ArmName, LiveEndpoint } from './arms.js';

/** What a model takes and gives, by name; -1 = any size. */
export interface Signature {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/** What an endpoint of a tensor model is, by its definition. */
export interface TensorPlan {
  readonly name: string;
  readonly model: string;
  readonly task: 'tensors';
  /** Undefined = every request is run. */
  readonly cache?: ResponseCacheSpec | undefined;
}

export interface TensorArm {
  readonly arm: ArmName;
  readonly version: ModelVersion;
}

export interface TensorCandidate extends TensorArm {
  readonly rolloutId: string;
  readonly step: number;
  /** Of the requests, 0..100: by their id, by lot where they have none. */
  readonly percent: number;
  readonly mirror: boolean;
}

/** An endpoint that takes and gives the tensors of its model as they are. */
export interface TensorEndpoint extends TensorArm {
  readonly plan: TensorPlan;
  readonly signature: Signature;
  readonly candidate: TensorCandidate | undefined;
}

/** Who answers a model's name: told apart by the signature, which an endpoint of features has none of. */
export type ServedEndpoint = LiveEndpoint | TensorEndpoint;

/** What a version is run from: its file, or a model of a server elsewhere. */
export function originOf({ onnxSha256, upstream }: ModelVersion): string {
  return upstream === undefined ? onnxSha256 : `${upstream.address}/${upstream.model}/${upstream.version}`;
}

export function tensorPlan({ name, model, cache }: EndpointSpec): TensorPlan {
  return { name, model, task: 'tensors', cache };
}

export function tensorEndpoint(
  plan: TensorPlan,
  live: ModelVersion,
  signature: Signature,
  candidate?: Candidate,
): TensorEndpoint {
  return { plan, arm: 'live', version: live, signature, candidate: candidate && candidateOf(candidate) };
}

function candidateOf({ version, rolloutId, step, percent, mirror }: Candidate): TensorCandidate | undefined {
  return version && { arm: 'canary', version, rolloutId, step, percent, mirror };
}

/** As who names a version sees it: that one answers everything, outside of any rollout. Undefined = it is neither live nor the candidate. */
export function namedTensorVersion(endpoint: TensorEndpoint, version: string): TensorEndpoint | undefined {
  const { candidate } = endpoint;
  if (version === endpoint.version.version)
    return candidate === undefined ? endpoint : { ...endpoint, candidate: undefined };
  if (version !== candidate?.version.version) return undefined;
  return { ...endpoint, arm: 'canary', version: candidate.version, candidate: undefined };
}

/** Why a version cannot answer the requests of another; undefined = it can: names, datatypes and shapes are the same. */
export function differenceOf(live: Signature, other: Signature): string | undefined {
  const [ours, theirs] = [said(live), said(other)];
  return ours === theirs ? undefined : `it is ${theirs}, the live version ${ours}`;
}

function said({ inputs, outputs }: Signature): string {
  const list = (specs: readonly TensorSpec[]) =>
    specs
      .map(({ name, datatype, shape }) => `${name} ${datatype}[${shape.join(',')}]`)
      .toSorted()
      .join(', ');
  return `${list(inputs)} -> ${list(outputs)}`;
}
