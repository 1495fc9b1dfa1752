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
    { caller, deadlineMs, trace }: CallContext,
  ): Promise<ModelInferResponse> => {
    const endpoint = request.modelName;
    try {
      const response = await predictor.infer(
        routes.get(endpoint, request.modelVersion),
        request,
        caller.name,
        deadlineMs,
        trace,
      );
      metrics.requests.inc({ endpoint, outcome: 'ok' });
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
