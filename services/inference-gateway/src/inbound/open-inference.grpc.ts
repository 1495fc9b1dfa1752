import type { ServerDuplexStream } from '@grpc/grpc-js';
import { encodeMessage } from '#libs/contracts/encode-message.js';
import {
  GRPCInferenceServiceService,
  type ModelConfigRequest,
  ModelInferResponse,
  type ModelMetadataRequest,
  type ModelReadyRequest,
  type ModelStatisticsRequest,
  ModelStreamInferResponse,
  type RepositoryIndexRequest,
} from '#libs/contracts/generated/inference/v2/inference.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { type Drain, type DuplexContext, type GrpcServer, handle } from '#libs/rpc/grpc-server.js';
import type { CallContext } from '#libs/rpc/served-context.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import type { Readiness } from '#libs/telemetry/readiness.js';
import { modelConfig, modelMetadata } from '../domain/model-metadata.js';
import type { ServedEndpoint } from '../domain/tensor-endpoint.js';
import { fromMessage, toMessage } from './infer-message.js';
import { InferStream } from './infer-stream.js';
import type { InferenceCalls } from './inference-calls.js';
import { notOffered, refuseNotOffered } from './not-offered.js';
import { type ReadInferRequest, readInferMessage } from './read-infer-message.js';
import type { RouteTable } from './route-table.follower.js';
import { serverMetadata } from './server-metadata.js';

/** What the generated code reads with throws where nobody hears why; and it makes room for each answer anew. */
const definition = {
  ...GRPCInferenceServiceService,
  modelInfer: {
    ...GRPCInferenceServiceService.modelInfer,
    requestDeserialize: readInferMessage,
    responseSerialize: (answer: ModelInferResponse) => encodeMessage(ModelInferResponse, answer),
  },
  modelStreamInfer: {
    ...GRPCInferenceServiceService.modelStreamInfer,
    requestDeserialize: readInferMessage,
    responseSerialize: (answer: ModelStreamInferResponse) => encodeMessage(ModelStreamInferResponse, answer),
  },
};

/** Open Inference Protocol v2 in Triton's dialect. A model's name is an endpoint's name, its version a registered model's. */
export function serveOpenInference(
  server: GrpcServer,
  routes: RouteTable,
  calls: InferenceCalls,
  readiness: Readiness,
): void {
  const infer = async (
    request: ReadInferRequest,
    { caller, deadlineMs, trace }: Pick<CallContext, 'caller' | 'deadlineMs' | 'trace'>,
  ): Promise<ModelInferResponse> => {
    const { modelName, modelVersion, unreadable } = request;
    if (unreadable !== undefined) throw new MillraceError('invalid-argument', unreadable);
    const read = (endpoint: ServedEndpoint) => fromMessage(endpoint, request);
    return toMessage(await calls.infer(modelName, modelVersion, read, caller, deadlineMs, trace));
  };
  const stream = (
    open: ServerDuplexStream<ReadInferRequest, ModelStreamInferResponse>,
    context: DuplexContext,
  ): Drain => {
    const { caller, deadlineMs } = context;
    const one = async (request: ReadInferRequest): Promise<ModelInferResponse> => {
      context.authorize(request);
      const span = context.messageSpan?.();
      try {
        const response = await infer(request, { caller, deadlineMs, trace: span?.trace });
        span?.end();
        return response;
      } catch (error) {
        span?.end(error);
        throw error;
      }
    };
    const infers = new InferStream(open, one, context.wordsOf);
    return () => infers.drain();
  };
  server.addService(
    definition,
    {
      serverLive: handle.unary(async () => ({ live: readiness.live })),
      serverReady: handle.unary(async () => ({ ready: readiness.ready })),
      modelReady: handle.unary(async ({ name, version }: ModelReadyRequest) => ({
        ready: routes.isReady(name, version),
      })),
      serverMetadata: handle.unary(async () => serverMetadata),
      modelMetadata: handle.unary(async ({ name, version }: ModelMetadataRequest) =>
        modelMetadata(routes.get(name, version)),
      ),
      modelInfer: handle.unary(infer),
      modelStreamInfer: handle.duplex(stream),
      modelConfig: handle.unary(async ({ name, version }: ModelConfigRequest) => ({
        config: modelConfig(routes.get(name, version)),
      })),
      modelStatistics: handle.unary(async ({ name, version }: ModelStatisticsRequest) => ({
        modelStats: calls.statistics(name, version),
      })),
      repositoryIndex: handle.unary(async ({ ready }: RepositoryIndexRequest) => ({ models: routes.index(ready) })),
      ...notServed(),
    },
    ['serverLive', 'serverReady'],
  );
  server.addReflection(
    ['inference/v2/inference.proto', 'millrace/predictions/v1/predictions.proto'],
    `${projectRoot()}/proto`,
  );
}

function notServed() {
  const refusing = (what: keyof typeof notOffered) => handle.unary(async () => refuseNotOffered(what));
  const sharedMemory = refusing('sharedMemory');
  return {
    repositoryModelLoad: refusing('load'),
    repositoryModelUnload: refusing('unload'),
    systemSharedMemoryStatus: sharedMemory,
    systemSharedMemoryRegister: sharedMemory,
    systemSharedMemoryUnregister: sharedMemory,
    cudaSharedMemoryStatus: sharedMemory,
    cudaSharedMemoryRegister: sharedMemory,
    cudaSharedMemoryUnregister: sharedMemory,
    traceSetting: refusing('trace'),
    logSettings: refusing('logging'),
  };
}
