import {
  type GetDriftRequest,
  type GetJudgementsRequest,
  type GetJudgementsResponse,
  type GetPerformanceRequest,
  type ListAlertsRequest,
  type ListPredictionsRequest,
  MonitorService,
} from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { type GrpcServer, handle } from '#libs/rpc/grpc-server.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import type { RolloutEvidenceStore } from '../outbound/rollout-evidence.store.js';
import type { PerformanceHandler } from './performance.handler.js';
import type { PredictionLogHandlers } from './prediction-log.handlers.js';
import type { WatchingHandlers } from './watching.handlers.js';

const maxJudgements = 1_000;

export class MonitorGrpc {
  constructor(private readonly evidence: RolloutEvidenceStore) {}

  serve(
    server: GrpcServer,
    watching: WatchingHandlers,
    performance: PerformanceHandler,
    predictions: PredictionLogHandlers,
  ): void {
    server.addService(MonitorService, {
      getPerformance: handle.unary((request: GetPerformanceRequest) => performance.performance(request)),
      getJudgements: handle.unary((request: GetJudgementsRequest) => this.judgements(request)),
      getDrift: handle.unary((request: GetDriftRequest) => watching.drift(request)),
      listAlerts: handle.unary((request: ListAlertsRequest) => watching.alerts(request)),
      listPredictions: handle.unary((request: ListPredictionsRequest) => predictions.list(request)),
    });
    server.addReflection('millrace/monitor/v1/monitor.proto', `${projectRoot()}/proto`);
  }

  async judgements({ rolloutId, limit }: GetJudgementsRequest): Promise<GetJudgementsResponse> {
    if (rolloutId === '') throw new MillraceError('invalid-argument', 'rollout_id: empty');
    if (limit > maxJudgements)
      throw new MillraceError('invalid-argument', `limit: ${limit}, must be at most ${maxJudgements}`);
    return { judgements: await this.evidence.judgements(rolloutId, limit || 1) };
  }
}
