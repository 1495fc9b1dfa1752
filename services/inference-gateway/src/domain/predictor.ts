import { type ModelInferRequest, ModelInferResponse } from '#libs/contracts/generated/inference/v2/inference.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { encodeStrings, float32Bytes } from '#libs/tensors/tensor-codec.js';
import type { LiveEndpoint } from './endpoint-plan.js';
import { scoreName } from './model-metadata.js';
import type { Features, FeatureSource, ModelRunner, PredictionLog, Unlogged } from './ports.js';
import { readRequest, type RequestRows } from './read-request.js';

interface Scored {
  readonly scores: Float32Array;
  readonly features: readonly Features[];
  readonly fallback: boolean;
}

const unseen: Features['snapshot'] = [];
const noFeatures = new Float32Array(0);

/** The way of a prediction: request -> rows -> features -> score -> kept in the log -> answer. */
export class Predictor {
  private rowsInFlight = 0;

  constructor(
    private readonly features: FeatureSource,
    private readonly runner: ModelRunner,
    private readonly log: PredictionLog,
    private readonly maxRowsInFlight: number,
  ) {}

  /** @throws MillraceError; then nothing was answered, and nothing of it is in the log unless keeping it was what failed */
  async infer(
    live: LiveEndpoint,
    request: ModelInferRequest,
    caller: string,
    deadlineMs: number,
  ): Promise<ModelInferResponse> {
    const startedMs = performance.now();
    const asked = readRequest(live, request);
    const count = asked.rows.length;
    if (Date.now() >= deadlineMs)
      throw new MillraceError('deadline-exceeded', 'the deadline had passed before the request was read');
    if (this.rowsInFlight + count > this.maxRowsInFlight)
      throw new MillraceError(
        'resource-exhausted',
        `${this.rowsInFlight} rows are in flight, at most ${this.maxRowsInFlight} are taken; try again later`,
      );
    this.rowsInFlight += count;
    try {
      const texts = asked.rows.map((row) => Buffer.from(JSON.stringify(row)));
      const scored = await this.score(live, asked, texts);
      const ids = await this.log.keep(unlogged(live, request.id, asked, texts, scored, caller, startedMs));
      return respond(live, request.id, scored, ids);
    } finally {
      this.rowsInFlight -= count;
    }
  }

  private async score(live: LiveEndpoint, { rows, given }: RequestRows, texts: readonly Uint8Array[]): Promise<Scored> {
    const { plan, version } = live;
    try {
      const features =
        given === undefined
          ? await this.features.get(plan.featureService, version.featureServiceDigest, texts)
          : split(given, rows, plan.eventTime);
      const scores = await this.runner.run(version.onnxSha256, rows.length, given ?? join(features));
      return { scores, features, fallback: false };
    } catch (error) {
      if (plan.fallbackPrediction === undefined || !(error instanceof MillraceError) || !isOutage(error)) throw error;
      const features = rows.map((row) => ({
        values: noFeatures,
        asOfMs: instantOf(row, plan.eventTime),
        snapshot: unseen,
      }));
      return { scores: new Float32Array(rows.length).fill(plan.fallbackPrediction), features, fallback: true };
    }
  }
}

/** A fallback answers for parts that are away, never for a request that is wrong. */
function isOutage(error: MillraceError): boolean {
  return error.code === 'unavailable' || error.code === 'deadline-exceeded' || error.code === 'internal';
}

function instantOf(row: Record<string, unknown>, eventTime: string): number {
  const given = row[eventTime];
  return typeof given === 'number' ? given : Date.now();
}

function split(given: Float32Array, rows: readonly Record<string, unknown>[], eventTime: string): Features[] {
  const width = given.length / rows.length;
  return rows.map((row, i) => ({
    values: given.subarray(i * width, (i + 1) * width),
    asOfMs: instantOf(row, eventTime),
    snapshot: unseen,
  }));
}

function join(features: readonly Features[]): Float32Array {
  if (features.length === 1) return features[0]!.values;
  const width = features[0]!.values.length;
  const joined = new Float32Array(features.length * width);
  features.forEach(({ values }, i) => joined.set(values, i * width));
  return joined;
}

function unlogged(
  live: LiveEndpoint,
  requestId: string,
  asked: RequestRows,
  texts: readonly Uint8Array[],
  scored: Scored,
  caller: string,
  startedMs: number,
): Unlogged[] {
  const { plan, version } = live;
  return asked.rows.map((row, i) => {
    const { values, asOfMs, snapshot } = scored.features[i]!;
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
      features: plan.logFeatures ? float32Bytes(values) : Buffer.alloc(0),
      outputs: [scored.scores[i]!],
      featuresGiven: asked.given !== undefined,
      fallback: scored.fallback,
      caller,
      arm: 'live',
      rolloutId: '',
      rolloutStep: 0,
    };
    return { prediction, snapshot, startedMs };
  });
}

function keyOf(value: unknown): string {
  return value === undefined || value === null ? '' : String(value);
}

function respond(
  { plan, version }: LiveEndpoint,
  id: string,
  { scores, fallback }: Scored,
  predictionIds: readonly string[],
): ModelInferResponse {
  const shape = [scores.length];
  return ModelInferResponse.fromPartial({
    modelName: plan.name,
    modelVersion: version.version,
    id,
    parameters: fallback ? { fallback: { parameterChoice: { $case: 'boolParam', boolParam: true } } } : {},
    outputs: [
      { name: scoreName(plan.task), datatype: 'FP32', shape },
      { name: 'prediction_id', datatype: 'BYTES', shape },
    ],
    rawOutputContents: [float32Bytes(scores), encodeStrings(predictionIds)],
  });
}
