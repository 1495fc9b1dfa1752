import type { Caller } from '#libs/auth/caller.js';
import type { ModelStatistics } from '#libs/contracts/generated/inference/v2/inference.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { TraceContext } from '#libs/telemetry/trace-context.js';
import type { Answer } from '../domain/answer.js';
import { type InferRequest, timeoutExpired } from '../domain/infer-request.js';
import { LateRequest } from '../domain/late-request.js';
import type { Predictor } from '../domain/predictor.js';
import { ServingStatistics } from '../domain/serving-statistics.js';
import type { ServedEndpoint } from '../domain/tensor-endpoint.js';
import type { TensorPredictor } from '../domain/tensor-predictor.js';
import type { InferenceGatewayMetrics } from '../inference-gateway.metrics.js';
import type { CallerQuotas } from '../domain/caller-quotas.js';
import type { Admission } from './admission.js';
import type { RouteTable } from './route-table.follower.js';

/** The one way in for predictions, whatever protocol they came by: finds who answers, reads the request for it, keeps its time, counts what came of it. */
export class InferenceCalls {
  private readonly served = new ServingStatistics();

  constructor(
    private readonly routes: RouteTable,
    private readonly predictor: Predictor,
    private readonly tensors: TensorPredictor,
    private readonly admission: Admission,
    private readonly quotas: CallerQuotas,
    private readonly metrics: InferenceGatewayMetrics,
  ) {}

  /**
   * @param read the request, once it is known for whom
   * @param deadlineMs epoch ms; Infinity = the caller set none
   * @throws MillraceError
   */
  async infer(
    model: string,
    version: string,
    read: (endpoint: ServedEndpoint) => InferRequest,
    caller: Caller,
    deadlineMs: number,
    trace?: TraceContext,
  ): Promise<Answer> {
    const startedMs = performance.now();
    let endpoint: ServedEndpoint | undefined;
    try {
      endpoint = this.routes.get(model, version);
      this.quotas.take(caller, model);
      const request = read(endpoint);
      this.admission.enter(request.priority);
      const work =
        endpoint.signature === undefined
          ? this.predictor.infer(endpoint, request, caller.name, deadlineMs, trace)
          : this.tensors.infer(endpoint, request, caller.name, deadlineMs, trace);
      const answer = await this.worked(inTime(work, request.expiresAtMs), startedMs);
      this.metrics.requests.inc({ endpoint: model, outcome: 'ok' });
      this.served.succeeded(answer, performance.now() - startedMs);
      return answer;
    } catch (error) {
      const outcome = error instanceof MillraceError ? error.code : 'internal';
      this.metrics.requests.inc({ endpoint: endpoint === undefined ? this.labelOf(model) : model, outcome });
      if (endpoint !== undefined) this.served.failed(model, endpoint.version.version, performance.now() - startedMs);
      throw error;
    }
  }

  /** @throws MillraceError resource-exhausted where too many calls are worked on: asked before the body of one is read */
  admit(): void {
    const refusal = this.admission.refusal();
    if (refusal !== undefined) throw refusal;
  }

  /** Of how long calls take, those tell that were worked on to the end, and those that became late. */
  private async worked(work: Promise<Answer>, startedMs: number): Promise<Answer> {
    let tells = true;
    try {
      return await work;
    } catch (error) {
      tells = error instanceof MillraceError && (error.code === 'deadline-exceeded' || error.code === 'unavailable');
      throw error;
    } finally {
      this.admission.leave(tells ? performance.now() - startedMs : undefined);
    }
  }

  /**
   * What was served since this process started, of the versions that can be asked now.
   * @param model empty = all @param version empty = all
   * @throws MillraceError not-found, unavailable
   */
  statistics(model: string, version: string): ModelStatistics[] {
    if (model !== '') this.routes.get(model, version);
    return this.routes
      .index(true)
      .filter((one) => (model === '' || one.name === model) && (version === '' || one.version === version))
      .map((one) => this.served.of(one.name, one.version));
  }

  /** Strangers make up names without end. */
  private labelOf(model: string): string {
    return this.routes.has(model) ? model : 'unknown';
  }
}

/** What takes longer is not waited for. */
function inTime<T>(work: Promise<T>, untilMs: number): Promise<T> {
  if (untilMs === Number.POSITIVE_INFINITY) return work;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(timeoutExpired()), Math.max(0, untilMs - Date.now()));
    // Its parts may find out before the timer does.
    const refuse = (error: unknown): void =>
      reject(error instanceof LateRequest && Date.now() >= untilMs ? timeoutExpired() : error);
    work.then(resolve, refuse).finally(() => clearTimeout(timer));
  });
}
