import { AuditEvent } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { Judgement } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import {
  Definition,
  ModelVersion,
  Rollout,
  RunRecord,
} from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { FeatureServiceSpec, FeatureViewSpec, StreamSpec } from '#libs/definitions/definition-kinds.js';
import { featureServiceDigest } from '#libs/definitions/feature-service-digest.js';
import type { LoggedPrediction } from '../src/domain/trace-sources.js';

/** One chain, as it is where nothing is amiss: a prediction of version 2 of model `m`, which a rollout brought to endpoint `e`. */
const spine = { name: 's', eventTime: 'at', schema: [], derive: [] } as unknown as StreamSpec;
const view = { name: 'v', source: 's', entity: 'x', features: [] } as unknown as FeatureViewSpec;
const service = {
  name: 'f',
  spine: 's',
  items: [{ view: 'v', as: 'v', features: [] }],
} as unknown as FeatureServiceSpec;
export const digest = featureServiceDigest(service, [view], spine);

const definition = (kind: string, spec: { readonly name: string }, generation: number): Definition =>
  Definition.fromPartial({
    kind,
    name: spec.name,
    generation,
    digest: `digest-of-${kind}`,
    specJson: Buffer.from(JSON.stringify(spec)),
    changedMs: 10,
  });
export const definitions = [
  definition('FeatureService', service, 3),
  definition('FeatureView', view, 2),
  definition('Stream', spine, 1),
];

export const prediction: LoggedPrediction = {
  predictionId: 'wal-7',
  endpoint: 'e',
  model: 'm',
  version: '2',
  arm: 'live',
  caller: 'ann',
  score: 0.25,
  outputs: [0.25],
  featureService: 'f',
  featureServiceDigest: digest,
  asOfMs: 900,
  answeredMs: 1_000,
  featuresGiven: false,
  fallback: false,
  rolloutId: '',
  rolloutStep: 0,
  streams: ['s', 't'],
  watermarksMs: [800, 0],
  offsets: [
    [4, -1],
    [-1, -1],
  ],
  logId: 'wal',
  logSequence: 3,
};

export const version = ModelVersion.fromPartial({
  model: 'm',
  version: '2',
  onnxSha256: 'onnx',
  datasetSha256: 'data',
  referenceSha256: 'reference',
  featureService: 'f',
  featureServiceDigest: digest,
  features: ['a', 'b'],
  runId: 'run-1',
  codeCommit: 'c0ffee',
  metrics: { 'validate.auc': 0.9 },
  createdMs: 400,
});

export const run = RunRecord.fromPartial({
  runId: 'run-1',
  pipeline: 'p',
  model: 'm',
  state: 'succeeded',
  params: { algorithm: 'lightgbm', reason: 'manual', dataFrom: '2001-04-09', dataTo: '2001-06-10' },
  metrics: { 'validate.auc': 0.9 },
  startedMs: 300,
  finishedMs: 450,
});

const judgement = Judgement.fromPartial({
  rolloutId: 'r-1',
  outcome: 'pass',
  stepPredictions: 12,
  neededPredictions: 10,
  evidence: [
    { guardrail: 'logloss', outcome: 'pass', harm: 0.001, low: -0.01, high: 0.004, margin: 0.01, candidateRows: 12 },
    { guardrail: 'errors', outcome: 'no-data', harm: Number.NaN, low: Number.NaN, high: Number.NaN },
  ],
});
export const rollout = Rollout.fromPartial({
  rolloutId: 'r-1',
  endpoint: 'e',
  model: 'm',
  candidate: version,
  state: 'live',
  moves: [
    { from: '', to: 'shadow', step: 0, cause: 'run-1', movedBy: 'mesh', movedMs: 500 },
    {
      from: 'shadow',
      to: 'live',
      step: 0,
      cause: 'within the margin',
      movedBy: 'judge',
      movedMs: 1_600,
      judgement: Buffer.from(Judgement.encode(judgement).finish()),
    },
  ],
});

const event = (eventId: string, resource: string, actor: string, method: string, details: Record<string, string>) =>
  AuditEvent.fromPartial({
    eventId,
    atMs: 1,
    service: 'registry',
    decision: 'allow',
    action: 'promote',
    resource,
    actor,
    method,
    details,
  });
const { onnxSha256, datasetSha256, runId, codeCommit } = version;
const moved = (n: number, from: string, to: string, actor: string, cause: string) =>
  event(`move-${n}`, 'rollouts/r-1', actor, 'rollout', {
    from,
    to,
    step: '0',
    cause,
    version: '2',
    endpoint: 'e',
    model: 'm',
  });

/** What the services recorded of it, in order; the third is of something else. */
export const auditEvents = [
  event('apply-1', 'endpoints/e', 'ann', 'Apply', { change: 'create' }),
  event('version-1', 'models/m@2', 'mesh', 'CreateModelVersion', {
    onnxSha256,
    datasetSha256,
    runId,
    codeCommit,
    featureServiceDigest: digest,
  }),
  event('other-1', 'endpoints/another', 'ann', 'Apply', { change: 'create' }),
  moved(1, '', 'shadow', 'mesh', 'run-1'),
  moved(2, 'shadow', 'live', 'judge', 'within the margin'),
];
