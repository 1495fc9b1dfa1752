import type {
  GetPerformanceRequest,
  GetPerformanceResponse,
} from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import type { TabularModelSpec } from '#libs/definitions/definition-kinds.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { LoggedScores } from '../domain/logged-scores.js';
import { conceptOf, performanceOf, segmentsOf, windowsOf } from '../domain/performance.js';
import type { PredictionLogStore } from '../outbound/prediction-log.store.js';
import type { VersionReferences } from '../outbound/version-references.js';

/** DateTime64(3) ends in 2299. */
const farFutureMs = 10_000_000_000_000;
const mostWindows = 1_000;

interface Known {
  /** Name of the model, by endpoint. */
  readonly endpoints: ReadonlyMap<string, string>;
  readonly models: ReadonlyMap<string, TabularModelSpec>;
}

/** How good an endpoint's predictions are: where labels came, and before. */
export class PerformanceHandler {
  constructor(
    private readonly store: PredictionLogStore,
    private readonly references: VersionReferences,
    private readonly known: Known,
  ) {}

  /** An endpoint that nobody knows has 0 predictions. @throws MillraceError invalid-argument, failed-precondition (more than 2 million rows), unavailable */
  async performance(request: GetPerformanceRequest): Promise<GetPerformanceResponse> {
    const { endpoint, modelVersion, fromMs, toMs, segment, stepMs } = request;
    if (endpoint === '') throw new MillraceError('invalid-argument', 'endpoint: empty');
    if (stepMs < 0)
      throw new MillraceError('invalid-argument', `step_ms: ${stepMs}, must be above 0, or 0 for no windows`);
    if (segment !== '') this.checkSegment(endpoint, segment);
    const rows = await this.store.scores(endpoint, modelVersion, fromMs, toMs || farFutureMs, segment);
    if (stepMs > 0) checkWindows(rows, stepMs);
    const calibrations = await this.references.calibrations(rows.versions);
    return {
      ...performanceOf(rows, calibrations),
      concept: conceptOf(rows, calibrations),
      segments: segment === '' ? [] : segmentsOf(rows, calibrations),
      windows: stepMs === 0 ? [] : windowsOf(rows, calibrations, stepMs),
    };
  }

  private checkSegment(endpoint: string, segment: string): void {
    const model = this.known.models.get(this.known.endpoints.get(endpoint) ?? '');
    if (model === undefined)
      throw new MillraceError(
        'invalid-argument',
        `segment: ${segment}, but endpoint "${endpoint}" is not defined, or of a model without labels`,
      );
    if (!model.segments.includes(segment))
      throw new MillraceError(
        'invalid-argument',
        `segment: ${segment} is none of model ${model.name}; its segments are ${model.segments.join(', ') || 'none'}`,
      );
  }
}

function checkWindows({ atMs }: LoggedScores, stepMs: number): void {
  const windows = new Set(atMs.map((at) => Math.floor(at / stepMs))).size;
  if (windows > mostWindows)
    throw new MillraceError(
      'invalid-argument',
      `step_ms: ${stepMs} makes ${windows} windows, must be at most ${mostWindows}: a longer step, or a shorter time`,
    );
}
