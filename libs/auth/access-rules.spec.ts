import type { ServiceDefinition } from '@grpc/grpc-js';
import { describe, expect, it } from '@jest/globals';
import { GRPCInferenceServiceService } from '#libs/contracts/generated/inference/v2/inference.js';
import { FeatureStoreService } from '#libs/contracts/generated/millrace/features/v1/features.js';
import { GovernanceService } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { IngestService } from '#libs/contracts/generated/millrace/ingest/v1/ingest.js';
import { MonitorService } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { PredictionFeedbackService } from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import { RegistryService } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { TrainerService } from '#libs/contracts/generated/millrace/trainer/v1/trainer.js';
import { ValidatorService } from '#libs/contracts/generated/millrace/validator/v1/validator.js';
import { InferenceWorkerService } from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import { accessActions } from '#libs/definitions/definition-kinds.js';
import { accessRules, httpAccess } from './access-rules.js';

const definitions: ServiceDefinition[] = [
  GRPCInferenceServiceService,
  FeatureStoreService,
  GovernanceService,
  IngestService,
  MonitorService,
  PredictionFeedbackService,
  RegistryService,
  TrainerService,
  ValidatorService,
  InferenceWorkerService,
];
const open = ['/inference.GRPCInferenceService/ServerLive', '/inference.GRPCInferenceService/ServerReady'];
const methods = definitions.flatMap((definition) => Object.values(definition));
const guarded = methods.filter(({ path }) => !open.includes(path));

it('every rpc but those of health has a row, and every row an rpc', () => {
  expect([...accessRules.keys()].toSorted()).toEqual(guarded.map(({ path }) => path).toSorted());
});

it.each(guarded)(
  '$path asks for an action on <kinds>/<name>, and where nothing is named on all of a kind',
  (method) => {
    const { action, resource } = accessRules.get(method.path)!;
    expect(accessActions).toContain(action);
    const empty = method.requestStream ? undefined : method.requestDeserialize(Buffer.alloc(0));
    expect(resource(empty as never)).toMatch(/^([a-z]+\/\*|audit\/log|mesh\/inference)$/);
  },
);

describe('a request', () => {
  const resource = (path: string, request: unknown) => accessRules.get(path)!.resource(request as never);

  it('is about what it names; about several it is about all of the kind', () => {
    expect(resource('/inference.GRPCInferenceService/ModelInfer', { modelName: 'late' })).toBe('endpoints/late');
    expect(resource('/millrace.ingest.v1.Ingest/Replay', { sources: ['a'] })).toBe('sources/a');
    expect(resource('/millrace.ingest.v1.Ingest/Replay', { sources: ['a', 'b'] })).toBe('sources/*');
    const remove = '/millrace.registry.v1.Registry/DeleteDefinition';
    expect(resource(remove, { kind: 'Policy', name: 'p' })).toBe('policies/p');
    expect(resource(remove, { kind: 'constructor', name: 'p' })).toBe('definitions/p');
    const rollout = '/millrace.registry.v1.Registry/GetRollout';
    expect(resource(rollout, { rolloutId: '', endpoint: 'late' })).toBe('endpoints/late');
    expect(resource(rollout, { rolloutId: 'r', endpoint: 'late' })).toBe('rollouts/r');
  });

  it.each([
    ['GET', '/metrics', 'read mesh/metrics'],
    ['HEAD', '/Metrics/', 'read mesh/metrics'],
    ['POST', '/v1/streams/trips/events', 'publish streams/trips'],
    ['POST', '/V1/streams/tr%69ps/Events/', 'publish streams/trips'],
    ['POST', '/v1/streams/a%2Fb/events', 'publish streams/a/b'],
    ['GET', '/v1/streams/trips/events', ''],
    ['POST', '/metrics', ''],
    ['POST', '/api/v1/lineage', 'publish lineage/events'],
    ['POST', '/API/v1/Lineage/Batch/', 'publish lineage/events'],
    ['GET', '/api/v1/lineage', 'read lineage/graph'],
    ['GET', '/api/v1/events/lineage', 'read lineage/events'],
    ['HEAD', '/api/v1/namespaces', 'read lineage/graph'],
    ['GET', '/api/v1/namespaces/kafka%3A%2F%2Fhost%3A9092/jobs', 'read lineage/graph'],
    ['GET', '/api/v1/namespaces/a/datasets', 'read lineage/graph'],
    ['GET', '/api/v1/jobs/runs/01a2087d-a919-7d36-a895-0f6f783e9180', 'read lineage/graph'],
    ['PUT', '/api/v1/lineage', ''],
    ['GET', '/api/v1/namespaces/a/b/jobs', ''],
    ['GET', '/api/v1', ''],
    ['GET', '/', ''],
    ['GET', '/v2', 'read mesh/inference'],
    ['HEAD', '/V2/Models/late/', 'read endpoints/late'],
    ['GET', '/v2/models/stats', 'read endpoints/*'],
    ['GET', '/v2/models/late/versions/3/config', 'read endpoints/late'],
    ['POST', '/v2/models/l%61te/versions/3/infer', 'predict endpoints/late'],
    ['POST', '/v2/models/a%2Fb/infer', 'predict endpoints/a/b'],
    ['POST', '/v2/repository/models/late/load', 'promote endpoints/late'],
    ['GET', '/v2/models/late/infer', ''],
    ['DELETE', '/v2/models/late', ''],
    ['POST', '/V2/feedback/', 'publish feedback/*'],
    ['GET', '/v2/feedback', ''],
    ['GET', '/v2/anything', ''],
  ])('over HTTP: %s %s', (method, path, expected) => {
    const access = httpAccess(method, path);
    expect(access === undefined ? '' : `${access.action} ${access.resource}`).toBe(expected);
  });
});
