import {
  type GetDriftRequest,
  type GetJudgementsRequest,
  type GetJudgementsResponse,
  type GetPerformanceRequest,
  type GetPerformanceResponse,
  type ListAlertsRequest,
  type ListPredictionsRequest,
  MonitorService,
} from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { type GrpcServer, handle } from '#libs/rpc/grpc-server.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { binaryPerformance } from '../domain/performance.js';
import type { PredictionLogStore } from '../outbound/prediction-log.store.js';
import type { RolloutEvidenceStore } from '../outbound/rollout-evidence.store.js';
import type { PredictionLogHandlers } from './prediction-log.handlers.js';
import type { WatchingHandlers } from './watching.handlers.js';

/** DateTime64(3) ends in 2299. */
const farFutureMs = 10_000_000_000_000;
const maxJudgements = 1_000;

export class MonitorGrpc {
  constructor(
    private readonly store: PredictionLogStore,
    private readonly evidence: RolloutEvidenceStore,
  ) {}

  serve(server: GrpcServer, watching: WatchingHandlers, predictions: PredictionLogHandlers): void {
    server.addService(MonitorService, {
      getPerformance: handle.unary((request: GetPerformanceRequest) => this.performance(request)),
      getJudgements: handle.unary((request: GetJudgementsRequest) => this.judgements(request)),
      getDrift: handle.unary((request: GetDriftRequest) => watching.drift(request)),
      listAlerts: handle.unary((request: ListAlertsRequest) => watching.alerts(request)),
      listPredictions: handle.unary((request: ListPredictionsRequest) => predictions.list(request)),
    });
    server.addReflection('millrace/monitor/v1/monitor.proto', `${projectRoot()}/proto`);
  }

  async performance({ endpoint, fromMs, toMs, modelVersion }: GetPerformanceRequest): Promise<GetPerformanceResponse> {
    if (endpoint === '') throw new MillraceError('invalid-argument', 'endpoint: empty');
    const { scores, labels } = await this.store.scores(endpoint, modelVersion, fromMs, toMs || farFutureMs);
    const known = labels.map((label) => (Number.isNaN(label) ? 0 : 1));
    const labelledScores = scores.filter((_, i) => known[i] === 1);
    const labelledLabels = labels.filter((_, i) => known[i] === 1);
    return {
      predictions: scores.length,
      labelled: labelledLabels.length,
      metrics: binaryPerformance(labelledScores, labelledLabels),
      estimated: {},
      concept: undefined,
      segments: [],
      windows: [],
    };
  }

  async judgements({ rolloutId, limit }: GetJudgementsRequest): Promise<GetJudgementsResponse> {
    if (rolloutId === '') throw new MillraceError('invalid-argument', 'rollout_id: empty');
    if (limit > maxJudgements)
      throw new MillraceError('invalid-argument', `limit: ${limit}, must be at most ${maxJudgements}`);
    return { judgements: await this.evidence.judgements(rolloutId, limit || 1) };
  }
}
