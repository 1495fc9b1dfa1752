import { MillraceError } from '#libs/errors/millrace-error.js';
import { isSampled, type TraceContext } from '#libs/telemetry/trace-context.js';
import type { Answer } from './answer.js';
import type { LiveEndpoint } from './arms.js';
import type { CachedRunner } from './cached-scores.js';
import { asksExplanation, checkExplainable } from './explain-request.js';
import { Explainer, markExplained } from './explainer.js';
import { GivenPredictor } from './given-predictor.js';
import { checkOutputs, type InferRequest, refuseLate } from './infer-request.js';
import { unlogged } from './logged-rows.js';
import type { Mirror } from './mirror.js';
import type { FeatureSource, ModelRunner, PredictionLog } from './ports.js';
import { readRequest } from './read-request.js';
import { respond } from './respond.js';
import { respondExplained } from './respond-explained.js';
import { Scorer } from './scorer.js';

/** The way of a prediction: request -> rows -> features -> score -> kept in the log -> answer, and shown to the candidate afterwards. */
export class Predictor {
  private readonly scorer: Scorer;
  private readonly explainer: Explainer;
  private readonly given: GivenPredictor;
  private rowsInFlight = 0;

  constructor(
    features: FeatureSource,
    runner: ModelRunner,
    private readonly log: PredictionLog,
    private readonly mirror: Mirror,
    private readonly maxRowsInFlight: number,
    cachedRunner?: CachedRunner,
  ) {
    this.scorer = new Scorer(features, runner, log, cachedRunner);
    this.explainer = new Explainer(runner);
    this.given = new GivenPredictor(this.scorer, log, mirror);
  }

  /** @param trace of the call, for what is done for it and for the log @throws MillraceError; then nothing was answered, and no prediction of it is in the log unless keeping it was what failed */
  async infer(
    endpoint: LiveEndpoint,
    request: InferRequest,
    caller: string,
    deadlineMs: number,
    trace?: TraceContext,
  ): Promise<Answer> {
    const startedMs = performance.now();
    checkOutputs(endpoint.plan, request.outputs);
    const asked = readRequest(endpoint, request);
    const count = asked.rows.length;
    const explains = asksExplanation(request);
    if (explains) checkExplainable(endpoint, count);
    refuseLate(request, deadlineMs, 'before the request was read');
    if (this.rowsInFlight + count > this.maxRowsInFlight)
      throw new MillraceError(
        'resource-exhausted',
        `${this.rowsInFlight} rows are in flight, at most ${this.maxRowsInFlight} are taken; try again later`,
      );
    this.rowsInFlight += count;
    try {
      const sampled = isSampled(trace) ? trace : undefined;
      const untilMs = Math.min(deadlineMs, request.expiresAtMs);
      if (asked.alone && !explains && isKeptWhole(endpoint.plan)) {
        return await this.given.infer(endpoint, {
          request,
          rows: count,
          given: asked.given!,
          caller,
          deadlineMs,
          untilMs,
          startedMs,
          trace: sampled,
        });
      }
      const texts = asked.rows.map((row) => Buffer.from(JSON.stringify(row)));
      const scored = await this.scorer.score(endpoint, asked, texts, sampled, untilMs);
      const explained = explains ? await this.explainer.explain(endpoint, asked, scored, sampled, untilMs) : undefined;
      refuseLate(request, deadlineMs, 'when its rows were scored');
      const rows = unlogged(endpoint, request.id, asked, texts, scored, caller, startedMs, sampled);
      if (explained !== undefined) markExplained(rows);
      const ids = await this.log.keep(rows);
      const response =
        explained === undefined
          ? respond(endpoint, request, scored, ids)
          : respondExplained(endpoint, request, scored, ids, explained);
      if (endpoint.candidate?.mirror === true) this.mirror.offer(endpoint, asked.given !== undefined, scored, ids);
      return response;
    } finally {
      this.rowsInFlight -= count;
    }
  }
}

/** Neither the sample of a log nor a cache looks at rows one by one. */
function isKeptWhole({ payloadShare, cache }: LiveEndpoint['plan']): boolean {
  return payloadShare === undefined && cache === undefined;
}
