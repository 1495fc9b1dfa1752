import { createHash } from 'node:crypto';
import type { Failure, Prediction } from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import type { TraceContext } from '#libs/telemetry/trace-context.js';
import { elementsOfRaw, type RawTensor } from '#libs/tensors/raw-tensor.js';
import type { InferRequest } from './infer-request.js';
import { causeOf } from './logged-rows.js';
import type { Unlogged } from './ports.js';
import type { TensorArm, TensorEndpoint } from './tensor-endpoint.js';

/** Inputs of so few elements are logged with their values. */
const maxLoggedElements = 16;
const maxLoggedTextBytes = 4_096;
const maxLoggedOutputs = 64;
const noBytes = Buffer.alloc(0);

/** How a request was answered. */
export interface AnsweredTensors {
  readonly arm: TensorArm;
  readonly outputs: readonly RawTensor[];
  readonly inferMs: number;
  /** From the response cache, without a run. */
  readonly cached: boolean;
}

/** One prediction a request: what its inputs were, by their hashes, and the first numbers that it was answered with. */
export function unloggedTensors(
  { plan, candidate }: TensorEndpoint,
  request: InferRequest,
  { arm: { arm, version }, outputs, inferMs, cached }: AnsweredTensors,
  caller: string,
  startedMs: number,
  trace?: TraceContext,
): Unlogged {
  const prediction: Prediction = {
    predictionId: '',
    snapshot: 0,
    answeredAtMs: 0,
    latencyUs: 0,
    requestId: request.id,
    endpoint: plan.name,
    model: plan.model,
    modelVersion: version.version,
    featureService: '',
    featureServiceDigest: '',
    asOfMs: Date.now(),
    joinKey: '',
    stickyKey: '',
    requestJson: Buffer.from(JSON.stringify({ inputs: (request.raw ?? []).map(loggedInput) })),
    features: noBytes,
    outputs: loggedOutputs(outputs),
    featuresGiven: false,
    fallback: false,
    caller,
    arm,
    rolloutId: candidate?.rolloutId ?? '',
    rolloutStep: candidate?.step ?? 0,
    traceId: trace?.traceId ?? '',
    featuresUs: 0,
    inferUs: Math.round(inferMs * 1_000),
    cached,
    explained: false,
    payloadSampledOut: false,
  };
  return { prediction, snapshot: [], startedMs, trace };
}

/** Name, datatype, shape and SHA-256 (hexadecimal) of its raw bytes; of few elements the values too. */
export function loggedInput(tensor: RawTensor): object {
  const { name, datatype, shape, data } = tensor;
  const elements = shape.reduce((product, size) => product * size, 1);
  const withValues = elements <= maxLoggedElements && data.length <= maxLoggedTextBytes;
  return {
    name,
    datatype,
    shape,
    sha256: createHash('sha256').update(data).digest('hex'),
    ...(withValues ? { values: elementsOfRaw(tensor) } : {}),
  };
}

/** The values of the first numeric output, where they are at most 64; else none. */
export function loggedOutputs(outputs: readonly RawTensor[]): number[] {
  const first = outputs.find(({ datatype }) => datatype !== 'BYTES');
  if (first === undefined) return [];
  const values = elementsOfRaw(first, maxLoggedOutputs + 1);
  return values.length > maxLoggedOutputs ? [] : values.map(Number);
}

/** @param primaryId of a shadow's answer; '' of the request itself */
export function tensorFailure(
  { plan }: TensorEndpoint,
  arm: Failure['arm'],
  version: string,
  rollout: { readonly rolloutId: string; readonly step: number } | undefined,
  error: unknown,
  primaryId = '',
): Failure {
  return {
    endpoint: plan.name,
    model: plan.model,
    modelVersion: version,
    arm,
    rolloutId: rollout?.rolloutId ?? '',
    rolloutStep: rollout?.step ?? 0,
    ...causeOf(error),
    asOfMs: Date.now(),
    failedAtMs: Date.now(),
    primaryId,
  };
}
