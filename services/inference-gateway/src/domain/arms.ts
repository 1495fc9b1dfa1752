import type { Candidate, ModelVersion } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { EndpointPlan } from './endpoint-plan.js';
import type { Features } from './ports.js';

export type ArmName = 'live' | 'canary';

/** A version that answers rows. */
export interface Arm {
  readonly arm: ArmName;
  readonly version: ModelVersion;
  /** Which of the feature service's columns it reads, in its order; undefined = the vector as it is. */
  readonly columns: Uint32Array | undefined;
}

/** A version that shares an endpoint's requests while it is judged (Route.candidate). */
export interface CandidateArm extends Arm {
  readonly rolloutId: string;
  readonly step: number;
  /** Of the sticky keys, 0..100. */
  readonly percent: number;
  readonly mirror: boolean;
  /** It reads the same columns as the live version, so a vector that a caller gives whole is one for it too. */
  readonly takesGiven: boolean;
}

/** An endpoint with the version that answers, and the one that is tried beside it. */
export interface LiveEndpoint extends Arm {
  readonly plan: EndpointPlan;
  readonly candidate: CandidateArm | undefined;
  /** What tells it from an endpoint of a tensor model. */
  readonly signature?: undefined;
}

/** Both versions must be bound to one digest of the feature service: a row's vector is asked for once. */
export function endpointOf(plan: EndpointPlan, live: ModelVersion, candidate?: Candidate): LiveEndpoint {
  return {
    plan,
    arm: 'live',
    version: live,
    columns: columnsOf(plan, live),
    candidate: candidate?.version && candidateOf(plan, live, candidate.version, candidate),
  };
}

/**
 * The endpoint as who names a version sees it: that version answers everything and takes no part in a rollout, for its callers were not drawn by lot.
 * Undefined = it is neither live nor the candidate.
 */
export function namedVersion(endpoint: LiveEndpoint, version: string): LiveEndpoint | undefined {
  if (version === endpoint.version.version)
    return endpoint.candidate === undefined ? endpoint : { ...endpoint, candidate: undefined };
  const { plan, candidate } = endpoint;
  if (version !== candidate?.version.version) return undefined;
  return { plan, arm: 'canary', version: candidate.version, columns: candidate.columns, candidate: undefined };
}

function candidateOf(
  plan: EndpointPlan,
  live: ModelVersion,
  version: ModelVersion,
  { rolloutId, step, percent, mirror }: Candidate,
): CandidateArm {
  const takesGiven = version.features.join() === live.features.join();
  return { arm: 'canary', version, columns: columnsOf(plan, version), rolloutId, step, percent, mirror, takesGiven };
}

/** Undefined where it is all of them, and where the version was trained on a feature service of another digest, whose columns are not known. */
function columnsOf({ features, featureServiceDigest }: EndpointPlan, version: ModelVersion): Uint32Array | undefined {
  if (version.featureServiceDigest !== featureServiceDigest) return undefined;
  if (version.features.join() === features.join()) return undefined;
  const columns = version.features.map((name) => features.indexOf(name));
  return columns.includes(-1) ? undefined : Uint32Array.from(columns);
}

/**
 * A version's input: float32 [rows, version.features.length], row-major; NaN = null. One row of all columns is not copied.
 * @param columns which of a vector's columns, undefined = the vector as it is
 * @param rows which of `features`, at least one; undefined = all
 * @throws MillraceError failed-precondition where the vectors have another width than the version reads
 */
export function inputOf(
  version: ModelVersion,
  columns: Uint32Array | undefined,
  features: readonly Pick<Features, 'values'>[],
  rows?: readonly number[],
): Float32Array {
  const count = rows?.length ?? features.length;
  const width = version.features.length;
  const first = features[rows?.[0] ?? 0];
  if (columns === undefined && first !== undefined && first.values.length !== width)
    throw new MillraceError(
      'failed-precondition',
      `version ${version.version} of model ${version.model} reads ${width} features and got ${first.values.length}: its feature service's definition is another`,
    );
  if (count === 1 && columns === undefined) return first!.values;
  const input = new Float32Array(count * width);
  for (let i = 0; i < count; i++) {
    const { values } = features[rows === undefined ? i : rows[i]!]!;
    if (columns === undefined) input.set(values, i * width);
    else for (let j = 0; j < width; j++) input[i * width + j] = values[columns[j]!]!;
  }
  return input;
}
