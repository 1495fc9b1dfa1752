import {
  GRPCInferenceServiceService,
  type ModelInferRequest,
  type ModelInferResponse,
  type ModelMetadataRequest,
  type ModelReadyRequest,
} from '#libs/contracts/generated/inference/v2/inference.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { type CallContext, type GrpcServer, handle } from '#libs/rpc/grpc-server.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import type { Readiness } from '#libs/telemetry/readiness.js';
import { modelMetadata } from '../domain/model-metadata.js';
import type { Predictor } from '../domain/predictor.js';
import type { InferenceGatewayMetrics } from '../inference-gateway.metrics.js';
import type { RouteTable } from './route-table.follower.js';

/** Open Inference Protocol v2: the six standard calls. A model's name is an endpoint's name. */
export function serveOpenInference(
  server: GrpcServer,
  routes: RouteTable,
  predictor: Predictor,
  metrics: InferenceGatewayMetrics,
  readiness: Readiness,
): void {
  const infer = async (
    request: ModelInferRequest,
    { caller, deadlineMs }: CallContext,
  ): Promise<ModelInferResponse> => {
    const startedMs = performance.now();
    const endpoint = request.modelName;
    try {
      const live = routes.get(endpoint, request.modelVersion);
      const response = await predictor.infer(live, request, caller.name, deadlineMs);
      const rows = response.outputs[0]!.shape[0]!;
      metrics.requests.inc({ endpoint, outcome: 'ok' });
      metrics.predictions.inc({ endpoint, model_version: live.version.version }, rows);
      if (response.parameters['fallback'] !== undefined) metrics.fallbacks.inc({ endpoint }, rows);
      metrics.latencySeconds.observe({ endpoint }, (performance.now() - startedMs) / 1_000);
      return response;
    } catch (error) {
      const code = error instanceof MillraceError ? error.code : 'internal';
      metrics.requests.inc({ endpoint: code === 'not-found' ? 'unknown' : endpoint, outcome: code });
      throw error;
    }
  };
  server.addService(
    GRPCInferenceServiceService,
    {
      serverLive: handle.unary(async () => ({ live: readiness.live })),
      serverReady: handle.unary(async () => ({ ready: readiness.ready })),
      modelReady: handle.unary(async ({ name, version }: ModelReadyRequest) => ({
        ready: routes.isReady(name, version),
      })),
      serverMetadata: handle.unary(async () => ({ name: 'millrace', version: '1', extensions: [] })),
      modelMetadata: handle.unary(async ({ name, version }: ModelMetadataRequest) =>
        modelMetadata(routes.get(name, version)),
      ),
      modelInfer: handle.unary(infer),
    },
    ['serverLive', 'serverReady'],
  );
  server.addReflection('inference/v2/inference.proto', `${projectRoot()}/proto`);
}
