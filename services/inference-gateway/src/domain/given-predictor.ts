import type { TraceContext } from '#libs/telemetry/trace-context.js';
import { float32Bytes } from '#libs/tensors/tensor-codec.js';
import type { Answer } from './answer.js';
import type { LiveEndpoint } from './arms.js';
import { type InferRequest, refuseLate } from './infer-request.js';
import { sharedPrediction } from './logged-rows.js';
import type { Mirror } from './mirror.js';
import type { PredictionLog, RowIds } from './ports.js';
import { respond } from './respond.js';
import { rowIdTexts } from './row-ids.js';
import type { Scorer } from './scorer.js';
import { vectorsOf } from './given-vectors.js';

/** The vectors of a request, and whose it is. */
export interface GivenRequest {
  readonly request: InferRequest;
  readonly rows: number;
  /** float32 [rows, features]. */
  readonly given: Float32Array;
  readonly caller: string;
  readonly deadlineMs: number;
  /** When its caller waits no longer, epoch ms: its deadline, or its timeout before. */
  readonly untilMs: number;
  /** performance.now() when the request had been decoded. */
  readonly startedMs: number;
  /** Undefined = not sampled. */
  readonly trace: TraceContext | undefined;
}

const noBytes = Buffer.alloc(0);

/**
 * The way of a request that gives whole vectors and nothing beside them: nothing is fetched, no row has a key to be drawn or joined by, and what is done a row is
 * no more than its bytes: they are run, kept and answered in one piece.
 */
export class GivenPredictor {
  constructor(
    private readonly scorer: Scorer,
    private readonly log: PredictionLog,
    private readonly mirror: Mirror,
  ) {}

  /** @throws MillraceError as Predictor.infer */
  async infer(endpoint: LiveEndpoint, asked: GivenRequest): Promise<Answer> {
    const { request, rows, given, deadlineMs, untilMs, startedMs, trace } = asked;
    const asOfMs = Date.now();
    const scored = await this.scorer.scoreGiven(endpoint, given, rows, asOfMs, trace, untilMs);
    refuseLate(request, deadlineMs, 'when its rows were scored');
    const ids = await this.log.keepRows({
      shared: sharedPrediction(endpoint, request.id, asked.caller, asOfMs, scored, trace),
      rows,
      features: endpoint.plan.logFeatures && !scored.fallback ? float32Bytes(given) : noBytes,
      outputs: scored.scores,
      startedMs,
      trace,
    });
    if (endpoint.candidate?.mirror === true) this.show(endpoint, asked, scored, asOfMs, ids);
    return respond(endpoint, request, scored, ids);
  }

  private show(
    endpoint: LiveEndpoint,
    { given, rows }: GivenRequest,
    scored: Awaited<ReturnType<Scorer['scoreGiven']>>,
    asOfMs: number,
    ids: RowIds,
  ): void {
    this.mirror.offer(
      endpoint,
      true,
      { ...scored, features: vectorsOf(given, rows, () => asOfMs) },
      rowIdTexts(ids, rows),
    );
  }
}
