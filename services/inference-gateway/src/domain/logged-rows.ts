import type { Failure, Prediction } from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import { errorMessage, MillraceError } from '#libs/errors/millrace-error.js';
import type { TraceContext } from '#libs/telemetry/trace-context.js';
import { float32Bytes } from '#libs/tensors/tensor-codec.js';
import type { Arm, LiveEndpoint } from './arms.js';
import type { EndpointPlan } from './endpoint-plan.js';
import { LateRequest } from './late-request.js';
import type { Unlogged } from './ports.js';
import type { RequestRows } from './read-request.js';
import type { Scored } from './scored.js';
import { WorkerAway } from './worker-away.js';

type Row = Readonly<Record<string, unknown>>;

const maxFailureCharacters = 200;
const noBytes = Buffer.alloc(0);
/** `{}`, as of any row without columns. */
const nothingAsked = Buffer.from('{}');

/** The instant that a row asks for, epoch ms: its event time, else now. */
export function instantOf(row: Row, eventTime: string): number {
  const given = row[eventTime];
  return typeof given === 'number' ? given : Date.now();
}

/** What a row's arm is drawn by: the declared sticky column, else the label's join column; empty = the row has none. */
export function stickyKeyOf(plan: EndpointPlan, row: Row): string {
  return keyOf(row[plan.stickyKey ?? plan.joinKey]);
}

/** The rows of an answer as they are logged: whole vectors, and each row with the version that answered it. @param trace of the request; undefined = not sampled */
export function unlogged(
  endpoint: LiveEndpoint,
  requestId: string,
  asked: RequestRows,
  texts: readonly Uint8Array[],
  scored: Scored,
  caller: string,
  startedMs: number,
  trace?: TraceContext,
): Unlogged[] {
  const { plan, candidate } = endpoint;
  return asked.rows.map((row, i) => {
    const { values, asOfMs, snapshot } = scored.features[i]!;
    const { version, arm } = scored.byCandidate?.[i] === 1 ? candidate! : endpoint;
    const prediction = predictionOf(endpoint, { version, arm }, requestId, caller, asOfMs, scored, trace);
    prediction.joinKey = keyOf(row[plan.joinKey]);
    if (plan.stickyKey !== undefined) prediction.stickyKey = keyOf(row[plan.stickyKey]);
    prediction.requestJson = texts[i]! as Buffer;
    if (plan.logFeatures) prediction.features = float32Bytes(values);
    prediction.outputs = [scored.scores[i]!];
    prediction.featuresGiven = asked.given !== undefined;
    prediction.cached = scored.cached?.[i] === 1;
    return { prediction, snapshot, startedMs, trace, payloadShare: plan.payloadShare };
  });
}

/** What all rows of a request share that gave whole vectors and nothing beside them: it has no keys, and nothing was asked but the vectors. */
export function sharedPrediction(
  endpoint: LiveEndpoint,
  requestId: string,
  caller: string,
  asOfMs: number,
  scored: Told,
  trace?: TraceContext,
): Prediction {
  const shared = predictionOf(endpoint, endpoint, requestId, caller, asOfMs, scored, trace);
  shared.requestJson = nothingAsked;
  shared.featuresGiven = true;
  return shared;
}

type Told = Pick<Scored, 'fallback' | 'timesMs'>;

/** All fields in one literal: what is set later keeps the shape that the encoder is fast for. */
function predictionOf(
  { plan, candidate }: LiveEndpoint,
  { version, arm }: Pick<Arm, 'version' | 'arm'>,
  requestId: string,
  caller: string,
  asOfMs: number,
  { fallback, timesMs }: Told,
  trace: TraceContext | undefined,
): Prediction {
  return {
    predictionId: '',
    requestId,
    endpoint: plan.name,
    model: plan.model,
    modelVersion: version.version,
    featureService: plan.featureService,
    featureServiceDigest: version.featureServiceDigest,
    asOfMs,
    answeredAtMs: 0,
    joinKey: '',
    stickyKey: '',
    requestJson: noBytes,
    features: noBytes,
    outputs: [],
    snapshot: 0,
    featuresGiven: false,
    fallback,
    latencyUs: 0,
    caller,
    arm,
    rolloutId: candidate?.rolloutId ?? '',
    rolloutStep: candidate?.step ?? 0,
    traceId: trace?.traceId ?? '',
    featuresUs: timesMs === undefined ? 0 : Math.round(timesMs.features * 1_000),
    inferUs: timesMs === undefined ? 0 : Math.round(timesMs.infer * 1_000),
    cached: false,
    explained: false,
    payloadSampledOut: false,
  };
}

/** One failure a row. @param instants the rows' own, epoch ms */
export function failuresOf(
  { plan, candidate }: LiveEndpoint,
  { version, arm }: Arm,
  instants: readonly number[],
  error: unknown,
): Failure[] {
  const failure: Omit<Failure, 'asOfMs'> = {
    endpoint: plan.name,
    model: plan.model,
    modelVersion: version.version,
    arm,
    rolloutId: candidate?.rolloutId ?? '',
    rolloutStep: candidate?.step ?? 0,
    ...causeOf(error),
    failedAtMs: Date.now(),
    primaryId: '',
  };
  return instants.map((asOfMs) => ({ ...failure, asOfMs }));
}

export function causeOf(error: unknown): { code: string; message: string } {
  const code = error instanceof WorkerAway ? 'worker-away' : error instanceof MillraceError ? error.code : 'internal';
  return { code, message: errorMessage(error).slice(0, maxFailureCharacters) };
}

/** A request that is wrong or late: then no version has failed. */
export function isCallersFault(error: unknown): boolean {
  return error instanceof LateRequest || isWrong(error);
}

function isWrong(error: unknown): boolean {
  return error instanceof MillraceError && error.code === 'invalid-argument';
}

function keyOf(value: unknown): string {
  return value === undefined || value === null ? '' : String(value);
}
