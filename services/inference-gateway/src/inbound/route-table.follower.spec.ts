import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { setImmediate as turn } from 'node:timers/promises';
import { DefinitionChanged } from '#libs/contracts/generated/millrace/control/v1/control.js';
import { ModelVersion, Route } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { featureServiceDigest } from '#libs/definitions/feature-service-digest.js';
import type { Consumer, MessageLog } from '#libs/messaging/message-log.js';
import { Logger } from '#libs/telemetry/logger.js';
import { FakeRunner } from '../../test/fakes.js';
import { FakeTensorRunner } from '../../test/fake-tensors.js';
import type { LiveEndpoint } from '../domain/arms.js';
import { RouteTable } from './route-table.follower.js';

const spine = {
  name: 'trips',
  eventTime: 'at',
  schema: [
    { name: 'id', type: 'string', nullable: false },
    { name: 'at', type: 'timestamp', nullable: false },
    { name: 'minute', type: 'int32', nullable: false },
  ],
  derive: [],
} as never;
const service = {
  name: 'risk',
  spine: 'trips',
  items: [{ request: ['f', 'g'].map((name) => ({ name, expression: 'minute' })) }],
} as never;
const definitions: Record<string, unknown> = {
  'Stream/trips': spine,
  'FeatureService/risk': service,
  'Model/late': { name: 'late', task: 'binary', features: 'risk', label: { join: 'id' } },
  'Endpoint/late': { name: 'late', model: 'late', log: { features: true } },
};
const versionOf = (version: string, more: Partial<ModelVersion> = {}): ModelVersion =>
  ModelVersion.fromPartial({
    model: 'late',
    version,
    onnxSha256: `sha-${version}`,
    featureServiceDigest: featureServiceDigest(service, [], spine),
    features: ['f', 'g'],
    ...more,
  });

class PreparingRunner extends FakeRunner {
  readonly refused = new Set<string>();
  readonly prepared: string[] = [];
  override async prepare(sha: string = ''): Promise<void> {
    this.prepared.push(sha);
    if (this.refused.has(sha)) throw new Error(`no ${sha}`);
  }
}

let changed: Map<string, (key: string, value: Buffer | null) => void>;
let runner: PreparingRunner;
let tensors: FakeTensorRunner;
let routes: RouteTable;

beforeEach(async () => {
  changed = new Map();
  runner = new PreparingRunner();
  const consumer = { stop: async () => {} } as Consumer;
  const messages = {
    follow: async (topic: string, onChange: (key: string, value: Buffer | null) => void) => {
      changed.set(topic, onChange);
      return consumer;
    },
  } as unknown as MessageLog;
  const logger = Object.assign(Object.create(Logger.prototype) as Logger, {
    info: () => {},
    warn: () => {},
  });
  tensors = new FakeTensorRunner();
  routes = new RouteTable(messages, runner, tensors, logger);
  await routes.start();
  for (const [key, spec] of Object.entries(definitions)) {
    const definition = { specJson: Buffer.from(JSON.stringify(spec)) };
    const value = DefinitionChanged.encode(DefinitionChanged.fromPartial({ definition })).finish();
    changed.get('definitionsChanged')!(key, Buffer.from(value));
  }
});
afterEach(() => routes.stop());

async function route(live: ModelVersion, candidate?: ModelVersion, previous?: ModelVersion): Promise<void> {
  const value = Route.encode(
    Route.fromPartial({
      endpoint: 'late',
      live,
      previous,
      candidate: candidate && { version: candidate, rolloutId: 'r', step: 2, percent: 5, mirror: true },
    }),
  ).finish();
  changed.get('routesChanged')!('late', Buffer.from(value));
  await turn();
}

describe('the route table', () => {
  it('has the live version, and the candidate with what its rollout says', async () => {
    await route(versionOf('1'), versionOf('2', { features: ['g'] }));
    const { version, columns, candidate } = routes.get('late', '') as LiveEndpoint;
    expect([version.version, columns]).toEqual(['1', undefined]);
    expect(candidate).toMatchObject({ arm: 'canary', rolloutId: 'r', step: 2, percent: 5, mirror: true });
    expect([candidate!.takesGiven, [...candidate!.columns!]]).toEqual([false, [1]]);
  });

  it('answers for a version that is named, live or candidate, and for no other', async () => {
    await route(versionOf('1'), versionOf('2'), versionOf('0'));
    expect(routes.get('late', '1')).toMatchObject({ arm: 'live', candidate: undefined });
    expect(routes.get('late', '2')).toMatchObject({ arm: 'canary', candidate: undefined });
    expect([routes.isReady('late', '2'), routes.isReady('late', '0')]).toEqual([true, false]);
    expect(() => routes.get('late', '0')).toThrow(/version 0 is not found/);
  });

  it('has no candidate while no worker can prepare it, and tries again', async () => {
    runner.refused.add('sha-2');
    await route(versionOf('1'), versionOf('2'));
    expect(routes.get('late', '').candidate).toBeUndefined();
    expect(routes.get('late', '').version.version).toBe('1');
    runner.refused.clear();
    while (routes.get('late', '').candidate === undefined) await turn();
    expect(runner.prepared.filter((sha) => sha === 'sha-2')).toHaveLength(2);
  });

  it('has no candidate that was trained on another feature service', async () => {
    await route(versionOf('1'), versionOf('2', { featureServiceDigest: 'other' }));
    expect(routes.get('late', '').candidate).toBeUndefined();
  });

  it('goes back to the version before at once, for it was prepared; where it could not be nothing else changes', async () => {
    await route(versionOf('2'), undefined, versionOf('1'));
    const before = runner.prepared.length;
    changed.get('routesChanged')!(
      'late',
      Buffer.from(Route.encode(Route.fromPartial({ endpoint: 'late', live: versionOf('1') })).finish()),
    );
    expect(routes.get('late', '').version.version).toBe('1');
    expect(runner.prepared).toHaveLength(before);
    runner.refused.add('sha-0');
    await route(versionOf('1'), undefined, versionOf('0'));
    expect(routes.get('late', '').version.version).toBe('1');
  });

  it('lets the version before answer, alone, until the new one is prepared', async () => {
    await route(versionOf('1'), versionOf('2'));
    runner.refused.add('sha-3');
    await route(versionOf('3'));
    expect(routes.get('late', '')).toMatchObject({ version: { version: '1' }, candidate: undefined });
  });

  it('makes a promoted candidate live at once', async () => {
    await route(versionOf('1'), versionOf('2'));
    const before = runner.prepared.length;
    await route(versionOf('2'), undefined, versionOf('1'));
    expect(routes.get('late', '')).toMatchObject({ version: { version: '2' }, candidate: undefined });
    expect(runner.prepared).toHaveLength(before);
  });
});

describe('an endpoint of a tensor model', () => {
  const define = (key: string, spec: object) => {
    const definition = { specJson: Buffer.from(JSON.stringify(spec)) };
    const value = DefinitionChanged.encode(DefinitionChanged.fromPartial({ definition })).finish();
    changed.get('definitionsChanged')!(key, Buffer.from(value));
  };
  const tensorVersion = (version: string, more: Partial<ModelVersion> = {}) =>
    ModelVersion.fromPartial({ model: 'late', version, onnxSha256: `sha-${version}`, ...more });
  beforeEach(() => define('Model/late', { name: 'late', task: 'tensors', owners: [] }));

  it('has the signature of its version, once that is known, and needs no feature service', async () => {
    await route(tensorVersion('1'));
    expect(routes.get('late', '')).toMatchObject({ plan: { task: 'tensors' }, signature: tensors.signature });
    expect(runner.prepared).toEqual([]);
  });

  it('has versions that are served elsewhere, told apart by where', async () => {
    const upstream = { address: 'a:1', model: 'm', version: '' };
    const elsewhere = tensorVersion('1', { onnxSha256: '', upstream });
    await route(elsewhere, tensorVersion('2', { onnxSha256: '', upstream: { ...upstream, model: 'n' } }));
    expect(routes.get('late', '')).toMatchObject({
      version: { version: '1' },
      candidate: { version: { version: '2' } },
    });
    expect(tensors.prepared).toEqual(['a:1/m/', 'a:1/n/']);
  });

  it('has no candidate that takes or gives other tensors', async () => {
    tensors.signatures.set('sha-2', { ...tensors.signature, outputs: [] });
    await route(tensorVersion('1'), tensorVersion('2'));
    expect(routes.get('late', '').candidate).toBeUndefined();
  });

  it('answers for a version that is named', async () => {
    await route(tensorVersion('1'), tensorVersion('2'));
    expect(routes.get('late', '2')).toMatchObject({
      arm: 'canary',
      candidate: undefined,
      signature: tensors.signature,
    });
    expect(() => routes.get('late', '3')).toThrow(/version 3 is not found/);
  });
});
