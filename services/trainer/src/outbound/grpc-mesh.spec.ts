import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import type { FeatureStoreClient } from '#libs/contracts/generated/millrace/features/v1/features.js';
import { Reference } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import {
  type ArtifactChunk,
  type ModelVersion,
  type RegistryClient,
  Rollout,
  Route,
  type RunRecord,
  type StartRolloutRequest,
} from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { Background } from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import type { EndpointSpec, Kind, Specs } from '#libs/definitions/definition-kinds.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { Peer } from '#libs/rpc/grpc-client.js';
import { ArtifactStore } from '#libs/storage/artifact-store.js';
import { planOf } from '../../test/plan.js';
import { type Run, type Step, type StepName, stepNames } from '../domain/run.js';
import { GrpcMesh } from './grpc-mesh.js';

const folder = mkdtempSync(join(tmpdir(), 'millrace-mesh-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const onnx = join(folder, 'model.onnx');
writeFileSync(onnx, 'onnx');
const commit = 'c'.repeat(40);

/** A registry that answers what a test says; it keeps what it was asked. */
class FakeRegistry {
  readonly live = new Map<string, string>();
  readonly offered: StartRolloutRequest[] = [];
  readonly versions: ModelVersion[] = [];
  readonly records: RunRecord[] = [];
  /** Artifacts, one chunk each. */
  readonly put: Buffer[] = [];
  answer: (request: StartRolloutRequest) => Rollout = ({ endpoint }) =>
    Rollout.fromPartial({ rolloutId: `r-${endpoint}`, state: 'shadow' });
  private readonly handlers: Record<string, (request: never) => unknown> = {
    createModelVersion: (version: ModelVersion) => (this.versions.push(version), { ...version, version: '3' }),
    recordRun: (record: RunRecord) => (this.records.push(record), record),
    getRoute: ({ endpoint }: { endpoint: string }) =>
      Route.fromPartial({
        endpoint,
        ...(this.live.has(endpoint) ? { live: { version: this.live.get(endpoint)! } } : {}),
      }),
    startRollout: (request: StartRolloutRequest) => (this.offered.push(request), this.answer(request)),
  };

  readonly peer = {
    call: async (method: (stub: unknown) => string, request: never) => {
      const name = method(new Proxy({}, { get: (_, property) => property }));
      return this.handlers[name]!(request);
    },
    stub: {
      putArtifact: (_metadata: unknown, _options: unknown, done: (error: null, artifact: object) => void) => ({
        write: ({ data }: ArtifactChunk) => (this.put.push(data), true),
        end: () => done(null, { sha256: ['o', 'ref', 'back'][this.put.length - 1]!, sizeBytes: 4 }),
        cancel: () => undefined,
      }),
    },
  } as unknown as Peer<RegistryClient>;
}

function setUp(endpoints: readonly string[], features?: readonly string[]) {
  const registry = new FakeRegistry();
  const of = (name: string, model: string) =>
    ({ name, model, log: { features: true }, rollout: [], guardrails: { alpha: 0.05 } }) satisfies EndpointSpec;
  const definitions = new Map<string, Specs[Kind]>([
    ...endpoints.map((name) => [`Endpoint/${name}`, of(name, 'm')] as const),
    ['Endpoint/of-another', of('of-another', 'other')],
  ]);
  const none = {} as Peer<FeatureStoreClient>;
  const mesh = new GrpcMesh(registry.peer, none, definitions, new ArtifactStore(folder), commit);
  const made: Partial<Record<StepName, object>> = {
    dataset: { sha256: 'd', rows: 1, features: ['a', 'b', 'c'], digest: 'dig' },
    convert: { onnx, onnxSha256: 'o', input: 'input', output: 'probabilities' },
  };
  const plan = planOf('p');
  const train = { ...plan.pipeline.train, ...(features === undefined ? {} : { features }) };
  const run: Run = {
    runId: 'r',
    state: 'succeeded',
    reason: 'manual',
    plan: { ...plan, pipeline: { ...plan.pipeline, train } },
    error: '',
    modelVersion: '',
    createdMs: 1,
    steps: stepNames.map((name) => ({ name, state: 'succeeded', outputs: made[name] ?? {} }) as Step),
  };
  return { registry, mesh, run };
}

describe('a version that is registered', () => {
  it('has what its scores were and meant on the validation rows as an artifact', async () => {
    const { registry, mesh, run } = setUp([]);
    const calibration = [{ meanScore: 0.25, meanLabel: 0.5, rows: 9 }];
    const score = { name: 'score', edges: [0.1], counts: [0, 9], nulls: 0, deviation: 0.2 };
    writeFileSync(join(folder, 'reference.json'), JSON.stringify({ score, calibration }));
    const steps = run.steps.map((step) =>
      step.name === 'evaluate'
        ? {
            ...step,
            outputs: { metrics: { 'validate.auc': 0.8, 'live.x': 1 }, reference: join(folder, 'reference.json') },
          }
        : step,
    );
    await mesh.register({ ...run, steps });
    expect(registry.versions[0]).toMatchObject({ referenceSha256: 'ref', backgroundSha256: '' });
    const metrics = { 'validate.auc': 0.8 };
    expect(Reference.decode(registry.put[1]!)).toEqual({ features: [], score, calibration, metrics });
    registry.put.length = 0;
    await mesh.register(run); // of before there were references
    expect(registry.versions[1]!.referenceSha256).toBe('');
  });

  it('has the rows that its explanations are relative to as an artifact, as wide as its chosen features', async () => {
    const { registry, mesh, run } = setUp([], ['c', 'a']);
    const rows = Buffer.from(new Float32Array([1, Number.NaN, 3, 4]).buffer);
    const [background, reference] = [join(folder, 'background.f32'), join(folder, 'whole.json')];
    writeFileSync(background, rows);
    writeFileSync(reference, '{}');
    const more: Partial<Record<StepName, object>> = { train: { background }, evaluate: { reference } };
    const steps = run.steps.map((step) => ({ ...step, outputs: more[step.name] ?? step.outputs }) as Step);
    await mesh.register({ ...run, steps });
    expect(registry.versions).toMatchObject([{ backgroundSha256: 'back', features: ['a', 'c'] }]);
    expect(Background.decode(registry.put[2]!)).toEqual({ features: 2, rows });
  });

  it('has the chosen features in the order of the service, and the commit', async () => {
    const { registry, mesh, run } = setUp([], ['c', 'a']);
    expect(await mesh.register(run)).toEqual({ version: '3', live: [], rollouts: [] });
    expect(registry.versions).toMatchObject([{ features: ['a', 'c'], codeCommit: commit, runId: 'r' }]);
    expect(registry.records).toMatchObject([{ runId: 'r', codeCommit: commit }]); // known before it is offered
  });

  it('comes of a run whose record says why it was, for whom, and of which time', async () => {
    const { registry, mesh, run } = setUp([]);
    await mesh.record(run);
    expect(registry.records[0]!.params).toMatchObject({ reason: 'manual' });
    expect(registry.records[0]!.params).not.toHaveProperty('requestedBy');
    const steps = run.steps.map((step) =>
      step.name === 'dataset' ? { ...step, outputs: { ...step.outputs, fromMs: 0, toMs: 1_000 } } : step,
    ) as Step[];
    await mesh.record({ ...run, steps, plan: { ...run.plan, requestedBy: 'ann' } });
    const window = { dataFrom: '1970-01-01T00:00:00.000Z', dataTo: '1970-01-01T00:00:01.000Z' };
    expect(registry.records[1]!.params).toMatchObject({ reason: 'manual', requestedBy: 'ann', ...window });
  });

  it('is offered to every endpoint of its model: there it is live at once, or a rollout begins', async () => {
    const { registry, mesh, run } = setUp(['new', 'old']);
    registry.live.set('old', '2');
    registry.answer = ({ endpoint }) =>
      Rollout.fromPartial({ rolloutId: `r-${endpoint}`, state: endpoint === 'new' ? 'live' : 'canary' });
    expect(await mesh.register(run)).toEqual({
      version: '3',
      live: ['new'],
      rollouts: [{ id: 'r-old', endpoint: 'old', state: 'canary' }],
    });
    const cause = 'pipeline p run r';
    expect(registry.offered).toEqual(
      ['new', 'old'].map((endpoint) => ({ endpoint, version: '3', cause, fromStep: 0 })),
    );
  });

  it('is not offered again where it is live already', async () => {
    const { registry, mesh, run } = setUp(['e']);
    registry.live.set('e', '3');
    expect(await mesh.register(run)).toEqual({ version: '3', live: ['e'], rollouts: [] });
    expect(registry.offered).toEqual([]);
  });

  it('fails plainly where the registry has no rollouts', async () => {
    const { registry, mesh, run } = setUp(['e']);
    registry.answer = () => {
      throw new MillraceError('unimplemented', 'registry: this call is not built in this version');
    };
    await expect(mesh.register(run)).rejects.toMatchObject({ code: 'unimplemented' });
    expect(registry.offered).toHaveLength(1);
  });
});
