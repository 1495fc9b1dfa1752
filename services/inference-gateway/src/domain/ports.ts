import type { StreamPosition } from '#libs/contracts/generated/millrace/features/v1/features.js';
import type {
  Failure,
  Prediction,
  ShadowPrediction,
  Unmirrored,
} from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { TraceContext } from '#libs/telemetry/trace-context.js';
import type { Unkept } from './feedback.js';

/** What the online store could see when it answered; shared by everything of one answer. */
export type Snapshot = readonly StreamPosition[];

/** The vector of one row. */
export interface Features {
  /** float32, in the feature service's order, or as the caller gave it; NaN = null. */
  readonly values: Float32Array;
  readonly asOfMs: number;
  readonly snapshot: Snapshot;
}

/** Where features come from. */
export abstract class FeatureSource {
  /**
   * Vectors of rows at their own instants (their event time column, else now).
   * @param rows UTF-8 JSON objects with the spine's columns
   * @param digest of the feature service that the model was trained on
   * @param trace of the request that asks @param untilMs when its caller waits no longer, epoch ms; left out = for ever
   * @throws LateRequest where that came first @throws MillraceError unavailable, deadline-exceeded, invalid-argument (a row), failed-precondition (the feature service is another now)
   */
  abstract get(
    featureService: string,
    digest: string,
    rows: readonly Uint8Array[],
    trace?: TraceContext,
    untilMs?: number,
  ): Promise<Features[]>;
}

/** For whom a model runs. A canary's failures never count against a worker that others ask; a shadow shares no batch and is not tried again. */
export type RunLane = 'live' | 'canary' | 'shadow';

/** Where models run. */
export abstract class ModelRunner {
  /**
   * @param input float32 [rows, features], row-major
   * @param trace of the request that asks; a shadow has none @param untilMs when its caller waits no longer, epoch ms; left out = for ever
   * @returns the score of each row: of class 1 for binary, the value for regression
   * @throws LateRequest where that came first @throws MillraceError unavailable, deadline-exceeded, resource-exhausted, internal
   */
  abstract run(
    onnxSha256: string,
    rows: number,
    input: Float32Array,
    lane: RunLane,
    trace?: TraceContext,
    untilMs?: number,
  ): Promise<Float32Array>;
  /** Resolves when a worker has loaded and checked the model. */
  abstract prepare(onnxSha256: string, features: number): Promise<void>;
  /** Where nothing else is said there are no explanations. @throws MillraceError unavailable, deadline-exceeded, resource-exhausted, internal, unimplemented */
  explain(_question: ExplanationQuestion): Promise<Explanation> {
    return Promise.reject(new MillraceError('unimplemented', 'explain: this model is not explained'));
  }
}

/** Rows that a version has answered, to be explained. */
export interface ExplanationQuestion {
  readonly onnxSha256: string;
  /** Artifact millrace.worker.v1.Background, of as many features. */
  readonly backgroundSha256: string;
  readonly rows: number;
  /** float32 [rows, features], row-major; NaN = null. */
  readonly input: Float32Array;
  readonly trace: TraceContext | undefined;
  /** When its caller waits no longer, epoch ms; Infinity = never. */
  readonly untilMs: number;
}

export interface Explanation {
  /** float64 [rows, features], row-major, of the margin: log odds of a binary model, as a rule. */
  readonly contributions: Float64Array;
  readonly baseValue: number;
  readonly by: string;
}

/** A prediction before it has its id. */
export interface Unlogged {
  /** The log writes `predictionId`, `snapshot`, `answeredAtMs` and `latencyUs` into it: a copy a row was a fifth of what a prediction costs. */
  readonly prediction: Prediction;
  readonly snapshot: Snapshot;
  /** Of predictions that keep request and features; undefined = all do. */
  readonly payloadShare?: number | undefined;
  /** performance.now() when the request had been decoded. */
  readonly startedMs: number;
  /** Of its request, where that is sampled. */
  readonly trace?: TraceContext | undefined;
}

/** The rows of one request that gave whole vectors and nothing beside them, before they have their ids. */
export interface UnloggedRows {
  /** What is the same of all of them; the log writes `answeredAtMs` and `latencyUs` into it. */
  readonly shared: Prediction;
  readonly rows: number;
  /** float32 little-endian, row-major [rows, features]; empty = not logged. */
  readonly features: Buffer;
  /** float32 [rows]. */
  readonly outputs: Float32Array;
  /** performance.now() when the request had been decoded. */
  readonly startedMs: number;
  /** Of the request, where that is sampled. */
  readonly trace?: TraceContext | undefined;
}

/** Ids of the rows of one request: row i is `<block>-<first + i>`. */
export interface RowIds {
  readonly block: string;
  readonly first: number;
}

/** What is told beside the answers. */
export interface Notes {
  readonly shadows?: readonly ShadowPrediction[];
  readonly failures?: readonly Failure[];
  readonly unmirrored?: readonly Unmirrored[];
}

/** Keeps every prediction before it is answered. */
export abstract class PredictionLog {
  /**
   * Resolves with the ids, in order, when the predictions are kept whatever happens to this process.
   * @throws MillraceError unavailable when they cannot be kept: then nothing may be answered
   */
  abstract keep(predictions: readonly Unlogged[]): Promise<string[]>;
  /** The same of rows that are kept in one piece. @throws MillraceError as `keep` */
  abstract keepRows(rows: UnloggedRows): Promise<RowIds>;
  /** Keeps notes soon, in the same log; nobody waits for it, and it never throws. What cannot be kept is counted. */
  abstract note(notes: Notes): void;
}

/** Keeps what callers say became of predictions. */
export abstract class FeedbackLog {
  /** Resolves with the ids, in order, when all of it is kept as safely as a prediction. @throws MillraceError unavailable when it cannot be kept */
  abstract keep(feedback: readonly Unkept[]): Promise<string[]>;
}
