import type { Failure } from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import { errorMessage, MillraceError } from '#libs/errors/millrace-error.js';
import type { TraceContext } from '#libs/telemetry/trace-context.js';
import { float32Bytes } from '#libs/tensors/tensor-codec.js';
import type { Arm, LiveEndpoint } from './arms.js';
import type { EndpointPlan } from './endpoint-plan.js';
import { LateRequest } from './late-request.js';
import type { Unlogged } from './ports.js';
import type { RequestRows } from './read-request.js';
import type { Scored } from './scored.js';

type Row = Readonly<Record<string, unknown>>;

const maxFailureCharacters = 200;
const noBytes = Buffer.alloc(0);

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
    const prediction: Unlogged['prediction'] = {
      requestId,
      endpoint: plan.name,
      model: plan.model,
      modelVersion: version.version,
      featureService: plan.featureService,
      featureServiceDigest: version.featureServiceDigest,
      asOfMs,
      joinKey: keyOf(row[plan.joinKey]),
      stickyKey: plan.stickyKey === undefined ? '' : keyOf(row[plan.stickyKey]),
      requestJson: texts[i]! as Buffer,
      features: plan.logFeatures ? float32Bytes(values) : noBytes,
      outputs: [scored.scores[i]!],
      featuresGiven: asked.given !== undefined,
      fallback: scored.fallback,
      caller,
      arm,
      rolloutId: candidate?.rolloutId ?? '',
      rolloutStep: candidate?.step ?? 0,
      traceId: trace?.traceId ?? '',
      featuresUs: Math.round((scored.timesMs?.features ?? 0) * 1_000),
      inferUs: Math.round((scored.timesMs?.infer ?? 0) * 1_000),
      cached: scored.cached?.[i] === 1,
      explained: false,
      payloadSampledOut: false,
    };
    return { prediction, snapshot, startedMs, trace, payloadShare: plan.payloadShare };
  });
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
  const code = error instanceof MillraceError ? error.code : 'internal';
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
