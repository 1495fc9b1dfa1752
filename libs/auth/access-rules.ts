import type * as features from '#libs/contracts/generated/millrace/features/v1/features.js';
import type * as governance from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import type * as inference from '#libs/contracts/generated/inference/v2/inference.js';
import type * as ingest from '#libs/contracts/generated/millrace/ingest/v1/ingest.js';
import type * as monitor from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import type * as registry from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type * as trainer from '#libs/contracts/generated/millrace/trainer/v1/trainer.js';
import type * as validator from '#libs/contracts/generated/millrace/validator/v1/validator.js';
import type * as worker from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import type { AccessAction, Kind } from '#libs/definitions/definition-kinds.js';
import { type InferenceRoute, inferenceRoute } from './inference-routes.js';

export interface AccessRule {
  readonly action: AccessAction;
  /** `<kinds>/<name>` of a request; of a method that takes a stream of requests, the same whatever they say. */
  readonly resource: (request: never) => string;
  /** Of a stream of requests: each is held against the rule by itself, as its handler takes it. */
  readonly eachMessage?: boolean;
}

const kindsOf = new Map<string, string>(
  Object.entries({
    Stream: 'streams',
    Source: 'sources',
    FeatureView: 'features',
    FeatureService: 'features',
    Model: 'models',
    Pipeline: 'pipelines',
    Endpoint: 'endpoints',
    Monitor: 'monitors',
    Policy: 'policies',
  } satisfies Record<Kind, string>),
);

/** No name = all of the kind. */
const of = (kinds: string, name: string): string => `${kinds}/${name === '' ? '*' : name}`;
/** Several names count as all of the kind. */
const ofMany = (kinds: string, names: readonly string[]): string => of(kinds, names.length === 1 ? names[0]! : '');
const rule = <Q>(action: AccessAction, resource: string | ((request: Q) => string)): AccessRule => ({
  action,
  resource: typeof resource === 'string' ? () => resource : resource,
});
const ofEachMessage = (one: AccessRule): AccessRule => ({ ...one, eachMessage: true });

/**
 * What each rpc needs, by its path. A service refuses to serve one without a row; health and the inference protocol's ServerLive and ServerReady alone are open.
 * Apply takes Policies among its documents: whoever may `apply definitions/*` may give any role.
 */
export const accessRules: ReadonlyMap<string, AccessRule> = new Map(
  Object.entries({
    '/inference.GRPCInferenceService/ModelReady': rule('read', (q: inference.ModelReadyRequest) =>
      of('endpoints', q.name),
    ),
    '/inference.GRPCInferenceService/ServerMetadata': rule('read', 'mesh/inference'),
    '/inference.GRPCInferenceService/ModelMetadata': rule('read', (q: inference.ModelMetadataRequest) =>
      of('endpoints', q.name),
    ),
    '/inference.GRPCInferenceService/ModelInfer': rule('predict', (q: inference.ModelInferRequest) =>
      of('endpoints', q.modelName),
    ),
    '/inference.GRPCInferenceService/ModelStreamInfer': ofEachMessage(
      rule('predict', (q: inference.ModelInferRequest | undefined) => of('endpoints', q?.modelName ?? '')),
    ),
    '/inference.GRPCInferenceService/ModelConfig': rule('read', (q: inference.ModelConfigRequest) =>
      of('endpoints', q.name),
    ),
    '/inference.GRPCInferenceService/ModelStatistics': rule('read', (q: inference.ModelStatisticsRequest) =>
      of('endpoints', q.name),
    ),
    '/inference.GRPCInferenceService/RepositoryIndex': rule('read', 'endpoints/*'),
    '/inference.GRPCInferenceService/RepositoryModelLoad': rule('promote', (q: inference.RepositoryModelLoadRequest) =>
      of('endpoints', q.modelName || q.repositoryName),
    ),
    '/inference.GRPCInferenceService/RepositoryModelUnload': rule(
      'promote',
      (q: inference.RepositoryModelUnloadRequest) => of('endpoints', q.modelName || q.repositoryName),
    ),
    '/inference.GRPCInferenceService/SystemSharedMemoryStatus': rule('read', 'mesh/inference'),
    '/inference.GRPCInferenceService/SystemSharedMemoryRegister': rule('read', 'mesh/inference'),
    '/inference.GRPCInferenceService/SystemSharedMemoryUnregister': rule('read', 'mesh/inference'),
    '/inference.GRPCInferenceService/CudaSharedMemoryStatus': rule('read', 'mesh/inference'),
    '/inference.GRPCInferenceService/CudaSharedMemoryRegister': rule('read', 'mesh/inference'),
    '/inference.GRPCInferenceService/CudaSharedMemoryUnregister': rule('read', 'mesh/inference'),
    '/inference.GRPCInferenceService/TraceSetting': rule('read', 'mesh/inference'),
    '/inference.GRPCInferenceService/LogSettings': rule('read', 'mesh/inference'),
    '/millrace.features.v1.FeatureStore/StreamVectors': rule('read', 'features/*'),
    '/millrace.features.v1.FeatureStore/GetVectors': rule('read', (q: features.VectorsRequest) =>
      of('features', q.featureService),
    ),
    '/millrace.features.v1.FeatureStore/GetWatermarks': rule('read', (q: features.GetWatermarksRequest) =>
      ofMany('streams', q.streams),
    ),
    '/millrace.features.v1.FeatureStore/BuildDataset': rule('train', (q: features.BuildDatasetRequest) =>
      of('models', q.model),
    ),
    '/millrace.features.v1.FeatureStore/VerifyVectors': rule('read', (q: features.VerifyVectorsRequest) =>
      of('endpoints', q.endpoint),
    ),
    '/millrace.governance.v1.Governance/ListAuditEntries': rule('read', 'audit/log'),
    '/millrace.governance.v1.Governance/GetTreeHead': rule('read', 'audit/log'),
    '/millrace.governance.v1.Governance/GetInclusionProof': rule('read', 'audit/log'),
    '/millrace.governance.v1.Governance/GetConsistencyProof': rule('read', 'audit/log'),
    '/millrace.governance.v1.Governance/VerifyAudit': rule('read', 'audit/log'),
    '/millrace.governance.v1.Governance/ListApprovals': rule('read', 'approvals/*'),
    '/millrace.governance.v1.Governance/DecideApproval': rule('approve', (q: governance.DecideApprovalRequest) =>
      of('approvals', q.digest),
    ),
    '/millrace.governance.v1.Governance/TracePrediction': rule('read', (q: governance.TracePredictionRequest) =>
      of('predictions', q.predictionId),
    ),
    '/millrace.ingest.v1.Ingest/Publish': rule('publish', (q: ingest.PublishRequest) => of('streams', q.stream)),
    '/millrace.ingest.v1.Ingest/PublishStream': rule('publish', 'streams/*'),
    '/millrace.ingest.v1.Ingest/AdvanceWatermark': rule('publish', (q: ingest.AdvanceWatermarkRequest) =>
      of('streams', q.stream),
    ),
    '/millrace.ingest.v1.Ingest/Replay': rule('publish', (q: ingest.ReplayRequest) => ofMany('sources', q.sources)),
    '/millrace.monitor.v1.Monitor/GetPerformance': rule('read', (q: monitor.GetPerformanceRequest) =>
      of('endpoints', q.endpoint),
    ),
    '/millrace.monitor.v1.Monitor/GetJudgements': rule('read', (q: monitor.GetJudgementsRequest) =>
      of('rollouts', q.rolloutId),
    ),
    '/millrace.monitor.v1.Monitor/GetDrift': rule('read', (q: monitor.GetDriftRequest) => of('endpoints', q.endpoint)),
    '/millrace.monitor.v1.Monitor/ListAlerts': rule('read', (q: monitor.ListAlertsRequest) =>
      of('endpoints', q.endpoint),
    ),
    '/millrace.monitor.v1.Monitor/ListPredictions': rule('read', (q: monitor.ListPredictionsRequest) =>
      of('predictions', q.endpoint),
    ),
    // An id says nothing of its endpoint: who may predict with one endpoint shall not label what others were answered, so that giving feedback is a right of its own.
    '/millrace.predictions.v1.PredictionFeedback/Give': rule('publish', 'feedback/*'),
    '/millrace.registry.v1.Registry/Apply': rule('apply', 'definitions/*'),
    '/millrace.registry.v1.Registry/ListDefinitions': rule('read', 'definitions/*'),
    '/millrace.registry.v1.Registry/DeleteDefinition': rule('apply', (q: registry.DeleteDefinitionRequest) =>
      of(kindsOf.get(q.kind) ?? 'definitions', q.name),
    ),
    '/millrace.registry.v1.Registry/RecordRun': rule('train', (q: registry.RunRecord) => of('pipelines', q.pipeline)),
    '/millrace.registry.v1.Registry/GetRun': rule('read', (q: registry.GetRunRequest) => of('runs', q.runId)),
    '/millrace.registry.v1.Registry/PutArtifact': rule('train', 'artifacts/*'),
    '/millrace.registry.v1.Registry/GetArtifact': rule('read', (q: registry.Artifact) => of('artifacts', q.sha256)),
    '/millrace.registry.v1.Registry/CreateModelVersion': rule('train', (q: registry.ModelVersion) =>
      of('models', q.model),
    ),
    '/millrace.registry.v1.Registry/ListModelVersions': rule('read', (q: registry.ListModelVersionsRequest) =>
      of('models', q.model),
    ),
    '/millrace.registry.v1.Registry/SetAlias': rule('promote', (q: registry.SetAliasRequest) => of('models', q.model)),
    '/millrace.registry.v1.Registry/SetLive': rule('promote', (q: registry.SetLiveRequest) =>
      of('endpoints', q.endpoint),
    ),
    '/millrace.registry.v1.Registry/GetRoute': rule('read', (q: registry.GetRouteRequest) =>
      of('endpoints', q.endpoint),
    ),
    '/millrace.registry.v1.Registry/StartRollout': rule('promote', (q: registry.StartRolloutRequest) =>
      of('endpoints', q.endpoint),
    ),
    '/millrace.registry.v1.Registry/GetRollout': rule('read', (q: registry.GetRolloutRequest) =>
      q.rolloutId === '' ? of('endpoints', q.endpoint) : of('rollouts', q.rolloutId),
    ),
    '/millrace.registry.v1.Registry/ListRollouts': rule('read', (q: registry.ListRolloutsRequest) =>
      of('endpoints', q.endpoint),
    ),
    '/millrace.registry.v1.Registry/MoveRollout': rule('promote', (q: registry.MoveRolloutRequest) =>
      of('rollouts', q.rolloutId),
    ),
    '/millrace.trainer.v1.Trainer/StartRun': rule('train', (q: trainer.StartRunRequest) => of('pipelines', q.pipeline)),
    '/millrace.trainer.v1.Trainer/GetRun': rule('read', (q: trainer.GetRunRequest) => of('runs', q.runId)),
    '/millrace.trainer.v1.Trainer/WatchRun': rule('read', (q: trainer.GetRunRequest) => of('runs', q.runId)),
    '/millrace.trainer.v1.Trainer/ListRuns': rule('read', (q: trainer.ListRunsRequest) => of('pipelines', q.pipeline)),
    '/millrace.trainer.v1.Trainer/CancelRun': rule('train', (q: trainer.GetRunRequest) => of('runs', q.runId)),
    '/millrace.validator.v1.Validator/ListQuarantined': rule('read', (q: validator.ListQuarantinedRequest) =>
      of('streams', q.stream),
    ),
    '/millrace.validator.v1.Validator/ReplayQuarantined': rule('publish', (q: validator.ReplayQuarantinedRequest) =>
      of('streams', q.stream),
    ),
    '/millrace.worker.v1.InferenceWorker/Infer': rule('predict', 'artifacts/*'),
    '/millrace.worker.v1.InferenceWorker/Prepare': rule('predict', (q: worker.PrepareRequest) =>
      of('artifacts', q.onnxSha256),
    ),
  }),
);

export interface HttpAccess {
  readonly route: string;
  readonly action: AccessAction;
  readonly resource: string;
}

const lineageRoutes: readonly (readonly [RegExp, HttpAccess])[] = [
  [/^POST \/lineage$/, { route: 'POST /api/v1/lineage', action: 'publish', resource: 'lineage/events' }],
  [/^POST \/lineage\/batch$/, { route: 'POST /api/v1/lineage/batch', action: 'publish', resource: 'lineage/events' }],
  [/^GET \/lineage$/, { route: 'GET /api/v1/lineage', action: 'read', resource: 'lineage/graph' }],
  [/^GET \/events\/lineage$/, { route: 'GET /api/v1/events/lineage', action: 'read', resource: 'lineage/events' }],
  [/^GET \/namespaces$/, { route: 'GET /api/v1/namespaces', action: 'read', resource: 'lineage/graph' }],
  [
    /^GET \/namespaces\/[^/]+\/(jobs|datasets)$/,
    { route: 'GET /api/v1/namespaces/:namespace', action: 'read', resource: 'lineage/graph' },
  ],
  [/^GET \/jobs\/runs\/[^/]+$/, { route: 'GET /api/v1/jobs/runs/:id', action: 'read', resource: 'lineage/graph' }],
];

function lineageAccess(method: string, path: string): HttpAccess | undefined {
  const [, rest] = /^\/api\/v1(\/.*?)\/?$/i.exec(path) ?? [];
  if (rest === undefined) return undefined;
  decodeURIComponent(rest); // throws where the router would
  const asked = `${method === 'HEAD' ? 'GET' : method} ${rest.toLowerCase()}`;
  return lineageRoutes.find(([pattern]) => pattern.test(asked))?.[1];
}

/** What an HTTP request needs; undefined = there is no such route. Matched as the router does: whatever the case, with or without a slash at the end. */
export function httpAccess(method: string, path: string): HttpAccess | undefined {
  const inference = inferenceRoute(path);
  if (inference !== undefined) return inferenceAccess(method, inference);
  if ((method === 'GET' || method === 'HEAD') && /^\/metrics\/?$/i.test(path))
    return { route: 'GET /metrics', action: 'read', resource: 'mesh/metrics' };
  const lineage = lineageAccess(method, path);
  if (lineage !== undefined) return lineage;
  if (method === 'POST' && /^\/v2\/feedback\/?$/i.test(path))
    return { route: 'POST /v2/feedback', action: 'publish', resource: 'feedback/*' };
  const stream = method === 'POST' ? /^\/v1\/streams\/([^/]+)\/events\/?$/i.exec(path)?.[1] : undefined;
  if (stream === undefined) return undefined;
  const resource = of('streams', decodeURIComponent(stream));
  return { route: 'POST /v1/streams/:stream/events', action: 'publish', resource };
}

/** The rule of the rpc that the route stands for. A wrong method needs nothing: it is told which are right. */
function inferenceAccess(
  method: string,
  { route, methods, rpc, name, version }: InferenceRoute,
): HttpAccess | undefined {
  if (!methods.includes(method)) return undefined;
  const { action, resource } = accessRules.get(`/inference.GRPCInferenceService/${rpc}`)!;
  const request = { name, version, modelName: name, repositoryName: '' };
  return { route: `${method} ${route}`, action, resource: resource(request as never) };
}
