import { MillraceError } from '#libs/errors/millrace-error.js';
import { isSampled, type TraceContext } from '#libs/telemetry/trace-context.js';
import type { RawTensor } from '#libs/tensors/raw-tensor.js';
import type { Answer, OutputTensor } from './answer.js';
import type { CachedTensorRunner } from './cached-tensors.js';
import { checkTensorOutputs } from './check-tensors.js';
import { classifyTensor } from './classify-tensor.js';
import { type InferRequest, refuseLate } from './infer-request.js';
import { LateRequest } from './late-request.js';
import { type AnsweredTensors, tensorFailure, unloggedTensors } from './log-tensors.js';
import { isCallersFault } from './logged-rows.js';
import type { PredictionLog } from './ports.js';
import { answers } from './split.js';
import type { TensorArm, TensorEndpoint } from './tensor-endpoint.js';
import type { TensorMirror } from './tensor-mirror.js';
import type { TensorRunner } from './tensor-ports.js';

export interface TensorLimits {
  /** Of the inputs of one request: what a worker takes as one message. */
  readonly maxRequestBytes: number;
  /** Of the inputs of all requests that are worked on. */
  readonly maxBytesInFlight: number;
}

/** Names, shapes and what the worker's contract says beside them. */
const envelopeBytes = 64 * 1_024;
/** Of requests of the largest size, so many may be worked on. */
const largestInFlight = 32;

/** A batch over a worker's bound would break the stream that all share, so it is refused before. @param maxMessageBytes of a worker */
export function tensorLimitsOf(maxMessageBytes: number): TensorLimits {
  return {
    maxRequestBytes: Math.max(0, maxMessageBytes - envelopeBytes),
    maxBytesInFlight: maxMessageBytes * largestInFlight,
  };
}

/** The way of a request to a model of any kind: checked tensors -> model -> kept in the log -> its outputs, and shown to the candidate afterwards. */
export class TensorPredictor {
  private bytesInFlight = 0;

  constructor(
    private readonly runner: TensorRunner,
    private readonly log: PredictionLog,
    private readonly mirror: TensorMirror,
    private readonly limits: TensorLimits,
    private readonly random: () => number = Math.random,
    private readonly cachedRunner?: CachedTensorRunner,
  ) {}

  /** @throws MillraceError; then nothing was answered, and no prediction of it is in the log unless keeping it was what failed */
  async infer(
    endpoint: TensorEndpoint,
    request: InferRequest,
    caller: string,
    deadlineMs: number,
    trace?: TraceContext,
  ): Promise<Answer> {
    const startedMs = performance.now();
    checkTensorOutputs(endpoint, request.outputs);
    if (request.explain === true)
      throw new MillraceError(
        'invalid-argument',
        `explain: '${endpoint.plan.name}' is of task tensors; only versions with a feature service are explained`,
      );
    refuseLate(request, deadlineMs, 'before the request was read');
    const bytes = this.admitted(request.raw ?? []);
    this.bytesInFlight += bytes;
    try {
      const sampled = isSampled(trace) ? trace : undefined;
      const untilMs = Math.min(deadlineMs, request.expiresAtMs);
      const answered = await this.answer(endpoint, request, sampled, untilMs);
      refuseLate(request, deadlineMs, 'when the model had answered');
      const [id] = await this.log.keep([unloggedTensors(endpoint, request, answered, caller, startedMs, sampled)]);
      if (endpoint.candidate?.mirror === true && answered.arm.arm === 'live')
        this.mirror.offer(endpoint, endpoint.candidate, request, id!);
      return respond(endpoint, request, answered, id!);
    } finally {
      this.bytesInFlight -= bytes;
    }
  }

  private admitted(tensors: readonly RawTensor[]): number {
    const bytes = tensors.reduce((sum, { data }) => sum + data.length, 0);
    const { maxRequestBytes, maxBytesInFlight } = this.limits;
    if (bytes > maxRequestBytes)
      throw new MillraceError(
        'resource-exhausted',
        `the inputs have ${bytes} bytes, at most ${maxRequestBytes} are taken`,
      );
    if (this.bytesInFlight + bytes > maxBytesInFlight)
      throw new MillraceError(
        'resource-exhausted',
        `${this.bytesInFlight} bytes of inputs are in flight, at most ${maxBytesInFlight} are taken; try again later`,
      );
    return bytes;
  }

  /** By the candidate where the lot falls to it, and by the live version where that fails. */
  private async answer(
    endpoint: TensorEndpoint,
    request: InferRequest,
    trace: TraceContext | undefined,
    untilMs: number,
  ): Promise<AnsweredTensors> {
    const { candidate } = endpoint;
    if (candidate === undefined || !this.isDrawn(candidate, request.id))
      return this.run(endpoint, endpoint, request, trace, untilMs);
    try {
      return await this.run(endpoint, candidate, request, trace, untilMs);
    } catch (error) {
      if (error instanceof LateRequest) throw error;
      const answered = await this.run(endpoint, endpoint, request, trace, untilMs);
      // What the live version answers was no fault of the caller's.
      if (isCallersFault(error)) this.fail(endpoint, candidate, error);
      return answered;
    }
  }

  /** By the request's id, so that a repeated request meets the same version; by lot where it has none. */
  private isDrawn({ rolloutId, percent }: NonNullable<TensorEndpoint['candidate']>, requestId: string): boolean {
    if (percent <= 0) return false;
    return requestId === '' ? this.random() * 100 < percent : answers(rolloutId, requestId, percent);
  }

  private async run(
    endpoint: TensorEndpoint,
    arm: TensorArm,
    { raw = [], outputs }: InferRequest,
    trace: TraceContext | undefined,
    untilMs: number,
  ): Promise<AnsweredTensors> {
    const startedMs = performance.now();
    const names =
      outputs.length > 0 ? outputs.map(({ name }) => name) : endpoint.signature.outputs.map(({ name }) => name);
    try {
      const run = { version: arm.version, tensors: raw, outputs: names, lane: arm.arm, trace, untilMs };
      const answer =
        endpoint.plan.cache === undefined || this.cachedRunner === undefined
          ? { outputs: await this.runner.run(run), cached: false }
          : await this.cachedRunner.run(endpoint.plan, run);
      return { arm, ...answer, inferMs: performance.now() - startedMs };
    } catch (error) {
      if (!isCallersFault(error)) this.fail(endpoint, arm, error);
      throw error;
    }
  }

  private fail(endpoint: TensorEndpoint, { arm, version }: TensorArm, error: unknown): void {
    this.log.note({ failures: [tensorFailure(endpoint, arm, version.version, endpoint.candidate, error)] });
  }
}

function respond(
  { plan }: TensorEndpoint,
  { id, outputs: wanted }: InferRequest,
  { arm, outputs, inferMs }: AnsweredTensors,
  predictionId: string,
): Answer {
  const { version } = arm.version;
  return {
    modelName: plan.name,
    modelVersion: version,
    id,
    fallback: false,
    predictionId,
    answeredBy: [{ version, rows: 1 }],
    timesMs: { features: 0, infer: inferMs },
    outputs: outputs.map((output): OutputTensor => {
      const classes = wanted.find(({ name }) => name === output.name)?.classes ?? 0;
      return classes > 0 ? classifyTensor(output, classes) : output;
    }),
  };
}
