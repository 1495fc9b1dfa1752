import { ModelInferRequest } from '#libs/contracts/generated/inference/v2/inference.js';
import type {
  Failure,
  ShadowPrediction,
  Unmirrored,
} from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import { Candidate, ModelVersion } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { MillraceError } from '#libs/errors/millrace-error.js';
import type { TraceContext } from '#libs/telemetry/trace-context.js';
import { endpointOf, type LiveEndpoint } from '../src/domain/arms.js';
import type { EndpointPlan } from '../src/domain/endpoint-plan.js';
import { Mirror } from '../src/domain/mirror.js';
import {
  type Explanation,
  type ExplanationQuestion,
  type Features,
  FeatureSource,
  ModelRunner,
  type Notes,
  PredictionLog,
  type RunLane,
  type RowIds,
  type Unlogged,
  type UnloggedRows,
} from '../src/domain/ports.js';
import { Predictor } from '../src/domain/predictor.js';
import { fromMessage, toMessage } from '../src/inbound/infer-message.js';

export const plan: EndpointPlan = {
  name: 'late',
  model: 'late',
  task: 'binary',
  featureService: 'risk',
  featureServiceDigest: 'd',
  features: ['f', 'g'],
  columns: [
    { name: 'flight_id', type: 'string', optional: false },
    { name: 'at', type: 'timestamp', optional: true },
    { name: 'minute', type: 'int32', optional: false },
  ],
  eventTime: 'at',
  joinKey: 'flight_id',
  stickyKey: 'flight_id',
  logFeatures: true,
  fallbackPrediction: undefined,
};
export const version = ModelVersion.fromPartial({
  model: 'late',
  version: '3',
  onnxSha256: 'a',
  featureServiceDigest: 'd',
  features: ['f', 'g'],
});
export const candidateVersion: ModelVersion = { ...version, version: '4', onnxSha256: 'b' };
export const live: LiveEndpoint = endpointOf(plan, version);
export const snapshot = [{ stream: 's', watermarkMs: 1, appliedOffsets: [5] }];

/** The endpoint while a candidate is tried. */
export function withCandidate(more: Partial<Candidate>, given: Partial<EndpointPlan> = {}): LiveEndpoint {
  const candidate = Candidate.fromPartial({ version: candidateVersion, rolloutId: 'r', step: 1, ...more });
  return endpointOf({ ...plan, ...given }, version, candidate);
}

/** Vectors [minute, NaN]. */
export class FakeFeatures extends FeatureSource {
  error: MillraceError | undefined;
  questions = 0;
  readonly untils: (number | undefined)[] = [];
  override async get(
    _service: string,
    _digest: string,
    rows: readonly Uint8Array[],
    _trace?: TraceContext,
    untilMs?: number,
  ): Promise<Features[]> {
    this.questions += 1;
    this.untils.push(untilMs);
    if (this.error) throw this.error;
    return rows.map((row) => {
      const { minute, at } = JSON.parse(Buffer.from(row).toString()) as { minute: number; at?: number };
      return { values: Float32Array.of(minute, Number.NaN), asOfMs: at ?? 7, snapshot };
    });
  }
}

type Run = (rows: number, input: Float32Array) => Promise<Float32Array>;

/** Scores a row with a hundredth of its first feature; what it is told of a model or a lane goes before. */
export class FakeRunner extends ModelRunner {
  error: MillraceError | undefined;
  readonly runs: { sha: string; rows: number; lane: RunLane; input: number[] }[] = [];
  readonly special = new Map<string, Run>();
  readonly untils: (number | undefined)[] = [];
  override async run(
    sha: string,
    rows: number,
    input: Float32Array,
    lane: RunLane,
    _trace?: TraceContext,
    untilMs?: number,
  ): Promise<Float32Array> {
    this.untils.push(untilMs);
    this.runs.push({ sha, rows, lane, input: [...input] });
    const special = this.special.get(lane) ?? this.special.get(sha);
    if (special !== undefined) return special(rows, input);
    if (this.error) throw this.error;
    return Float32Array.from({ length: rows }, (_, i) => input[(i * input.length) / rows]! / 100);
  }
  override async prepare(): Promise<void> {}
  readonly explained: ExplanationQuestion[] = [];
  /** Each feature contributes its value, a missing one nothing; the base value is the model's letter. */
  override async explain(question: ExplanationQuestion): Promise<Explanation> {
    this.explained.push(question);
    const special = this.special.get('explain');
    if (special !== undefined) await special(question.rows, question.input);
    const contributions = Float64Array.from(question.input, (value) => (Number.isNaN(value) ? 0 : value));
    const isFirst = question.onnxSha256 === 'a';
    return { contributions, baseValue: isFirst ? 0.25 : 0.75, by: isFirst ? 'tree-shap' : 'permutation-shap' };
  }
}

export class FakeLog extends PredictionLog {
  readonly kept: Unlogged[] = [];
  readonly shadows: ShadowPrediction[] = [];
  readonly failures: Failure[] = [];
  readonly unmirrored: Unmirrored[] = [];
  error: MillraceError | undefined;
  override async keep(predictions: readonly Unlogged[]): Promise<string[]> {
    if (this.error) throw this.error;
    const first = this.kept.length;
    this.kept.push(...predictions);
    return predictions.map((_, i) => `id-${first + i}`);
  }
  readonly packed: UnloggedRows[] = [];
  override async keepRows(rows: UnloggedRows): Promise<RowIds> {
    if (this.error) throw this.error;
    this.packed.push(rows);
    return { block: `block-${this.packed.length}`, first: 0 };
  }
  override note(notes: Notes): void {
    this.shadows.push(...(notes.shadows ?? []));
    this.failures.push(...(notes.failures ?? []));
    this.unmirrored.push(...(notes.unmirrored ?? []));
  }
  get unmirroredRows(): number {
    return this.unmirrored.reduce((sum, { rows }) => sum + rows, 0);
  }
}

export function setUp(endpoint: LiveEndpoint = live, shadowMaxRows = 100) {
  const [features, runner, log] = [new FakeFeatures(), new FakeRunner(), new FakeLog()];
  const mirror = new Mirror(runner, log, shadowMaxRows);
  const predictor = new Predictor(features, runner, log, mirror, 10);
  const infer = async (request: object, deadlineMs = Number.POSITIVE_INFINITY, trace?: TraceContext) => {
    const message = ModelInferRequest.fromPartial({ modelName: 'late', id: 'r1', ...request });
    return toMessage(await predictor.infer(endpoint, fromMessage(endpoint, message), 'tester', deadlineMs, trace));
  };
  return { features, runner, log, mirror, predictor, infer };
}

export const text = (name: string, ...values: string[]) => ({
  name,
  datatype: 'BYTES',
  shape: [values.length],
  contents: { bytesContents: values.map((value) => Buffer.from(value)) },
});
export const int32 = (name: string, ...values: number[]) => ({
  name,
  datatype: 'INT32',
  shape: [values.length],
  contents: { intContents: values },
});
export const int64 = (name: string, ...values: number[]) => ({
  name,
  datatype: 'INT64',
  shape: [values.length],
  contents: { int64Contents: values },
});
/** One request of these flights, minute = 10, 20, ... */
export const flights = (...ids: string[]) => ({
  inputs: [text('flight_id', ...ids), int32('minute', ...ids.map((_, i) => (i + 1) * 10))],
});
