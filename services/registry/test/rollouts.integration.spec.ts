import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import { Judgement } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import {
  ModelVersion,
  RegistryClient,
  Rollout,
  Route,
} from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { FeatureServiceSpec, StreamSpec } from '#libs/definitions/definition-kinds.js';
import { featureServiceDigest } from '#libs/definitions/feature-service-digest.js';
import { KafkaMessageLog } from '#libs/messaging/kafka-message-log.js';
import { Wiring } from '#libs/messaging/wiring.js';
import { Peer } from '#libs/rpc/grpc-client.js';
import { ArtifactStore } from '#libs/storage/artifact-store.js';
import { connectPostgres } from '#libs/storage/postgres.js';
import { Logger } from '#libs/telemetry/logger.js';
import { type ServiceProcess, startService, token } from '#libs/testing/service-process.js';
import { until } from '#libs/testing/until.js';

const endpoint = 'rollout-test';
const steps = 'rollout: [{shadow: {predictions: 10}}, {canary: {percent: 5, predictions: 10}}]';
const endpointText = `kind: Endpoint\nname: ${endpoint}\nmodel: rollout-test\n${steps}\nguardrails: {errors: {margin: 1%}}\n`;
const others = [
  `kind: Stream\nname: rollout-test\neventTime: at\nschema: {at: timestamp, x: float64, y: float64, id: string}\n`,
  `kind: FeatureService\nname: rollout-test\nspine: rollout-test\nfeatures: [{request: {b: x, a: y, c: x + y}}]\n`,
  `kind: Model\nname: rollout-test\ntask: binary\nfeatures: rollout-test\nlabel: {stream: rollout-test, value: x > 0.0, join: id, horizon: 1h}\n`,
];
const changeLock = 7_101; // of registry-database.ts
const judgements = 'millrace_registry_judgements_total';

let folder: string;
let registry: ServiceProcess;
let peer: Peer<RegistryClient>;
let log: KafkaMessageLog;
let pool: Pool;
let versions: ModelVersion[];
const rolloutsSeen = new Map<string, Rollout>();
const routesSeen = new Map<string, Route>();

async function start(): Promise<void> {
  const { KAFKA_BROKERS, POSTGRES_URL } = getTestInfrastructure();
  registry = await startService('registry', KAFKA_BROKERS, { POSTGRES_URL, ARTIFACTS_DIR: folder });
  peer = new Peer(RegistryClient, 'registry', registry.grpcAddress, token);
}

async function stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  peer.close();
  await registry.kill(signal);
}

const apply = async (...texts: string[]): Promise<void> => {
  const documents = texts.map((text, i) => ({ path: `${i}.yaml`, text }));
  const { problems } = await peer.call((stub) => stub.apply, { documents, dryRun: false, requestedBy: '' }, 10_000);
  expect(problems).toEqual([]);
};
const remove = (kind: string, name: string) =>
  peer.call((stub) => stub.deleteDefinition, { kind, name, dryRun: false }, 10_000);
const offer = (version: string, fromStep = 0) =>
  peer.call((stub) => stub.startRollout, { endpoint, version, cause: 'test', fromStep }, 10_000);
const setLive = (version: string) => peer.call((stub) => stub.setLive, { endpoint, version, cause: 'by hand' }, 10_000);
const move = (rolloutId: string, action: string) =>
  peer.call((stub) => stub.moveRollout, { rolloutId, action, cause: '' }, 10_000);
const rolloutOf = (rolloutId: string) => peer.call((stub) => stub.getRollout, { rolloutId, endpoint: '' }, 10_000);
const route = () => peer.call((stub) => stub.getRoute, { endpoint }, 10_000);

const verdict = ({ rolloutId, generation, step }: Rollout, outcome: string): Buffer =>
  Buffer.from(
    Judgement.encode(Judgement.fromPartial({ rolloutId, generation, step, outcome, reason: 'as tested' })).finish(),
  );
const publish = (...values: Buffer[]) =>
  log.publisher('rolloutsJudged').publish(values.map((value) => ({ key: Buffer.from('r'), value, headers: {} })));

/** Publishes, and waits until the registry has decided on all of them. */
async function judged(...values: Buffer[]): Promise<void> {
  const before = await registry.metric(judgements);
  await publish(...values);
  await until(async () => (await registry.metric(judgements)) >= before + values.length);
}

/** Three versions that fit, with features that are some of the service's. */
async function makeVersions(): Promise<ModelVersion[]> {
  const { definitions } = await peer.call((stub) => stub.listDefinitions, { kind: '', name: 'rollout-test' }, 10_000);
  const spec = (kind: string) =>
    JSON.parse(definitions.find((one) => one.kind === kind)!.specJson.toString()) as unknown;
  const digest = featureServiceDigest(spec('FeatureService') as FeatureServiceSpec, [], spec('Stream') as StreamSpec);
  const { sha256 } = await new ArtifactStore(folder).put(bytes(), 100);
  const made: ModelVersion[] = [];
  for (const [runId, features] of [
    ['1', 'b,a,c'],
    ['2', 'b,c'],
    ['3', 'a'],
  ] as const)
    made.push(await createVersion(sha256, digest, runId, features.split(',')));
  for (const wrong of [['c', 'b'], ['b', 'b'], ['d'], []])
    await expect(createVersion(sha256, digest, '4', wrong)).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringMatching(/in its order: b, a, c/),
    });
  return made;
}

async function* bytes(): AsyncGenerator<Buffer> {
  yield Buffer.from('onnx');
}

function createVersion(sha256: string, digest: string, runId: string, features: string[]): Promise<ModelVersion> {
  const version = { model: 'rollout-test', onnxSha256: sha256, featureService: 'rollout-test', features, runId };
  const whole = {
    version: '',
    featureServiceDigest: digest,
    datasetSha256: '',
    metrics: {},
    aliases: [],
    createdMs: 0,
  };
  const names = { task: 'binary', inputName: 'x', outputName: 'y', codeCommit: '', referenceSha256: '' };
  const asked = ModelVersion.create({ ...version, ...whole, ...names });
  return peer.call((stub) => stub.createModelVersion, asked, 10_000);
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-rollouts-'));
  const { KAFKA_BROKERS, POSTGRES_URL } = getTestInfrastructure();
  await start();
  log = new KafkaMessageLog('monitor', KAFKA_BROKERS.split(','), new Wiring(), new Logger('monitor', 'error'));
  await log.follow('rolloutsChanged', (key, value) => void rolloutsSeen.set(key, Rollout.decode(value!)));
  await log.follow('routesChanged', (key, value) => void routesSeen.set(key, Route.decode(value!)));
  pool = await connectPostgres(POSTGRES_URL, 'registry');
  await apply(...others, endpointText);
  versions = await makeVersions();
}, 60_000);
afterAll(async () => {
  for (const kind of ['Endpoint', 'Model', 'FeatureService', 'Stream']) await remove(kind, 'rollout-test');
  await until(() => routesSeen.get(endpoint)?.deleted === true);
  await stop('SIGTERM');
  await log.close();
  await pool.end();
  rmSync(folder, { recursive: true });
}, 60_000);

describe('a rollout', () => {
  it('of the first version is live at once, and one that is live cannot be offered', async () => {
    expect(versions.map(({ version }) => version)).toEqual(['1', '2', '3']);
    expect(await offer('1')).toMatchObject({ state: 'live', generation: 1, startedBy: 'test' });
    expect((await route()).live?.version).toBe('1');
    await expect(offer('1')).rejects.toMatchObject({ code: 'failed-precondition' });
    await expect(offer('9')).rejects.toMatchObject({ code: 'not-found' });
  });

  it('goes from shadow to canary to live as it is judged, and route and topics follow', async () => {
    const first = await offer('2');
    expect(first).toMatchObject({ state: 'shadow', step: 0, baseline: { version: '1' } });
    expect((await offer('2')).rolloutId).toBe(first.rolloutId); // a start that is repeated
    const { rolloutId } = first;
    expect(await route()).toMatchObject({ live: { version: '1' }, candidate: { rolloutId, percent: 0, mirror: true } });
    await judged(verdict(first, 'not-yet'), verdict(first, 'pass'));
    const second = await rolloutOf(rolloutId);
    expect(second).toMatchObject({ state: 'canary', step: 1, generation: 2 });
    expect((await route()).candidate).toMatchObject({ version: { version: '2' }, step: 1, percent: 5, mirror: true });
    await judged(verdict(second, 'pass'));
    const last = await route();
    expect(last).toMatchObject({ live: { version: '2' }, previous: { version: '1' } });
    expect(last.candidate).toBeUndefined();
    await until(() => rolloutsSeen.get(rolloutId)?.state === 'live');
    await until(() => routesSeen.get(endpoint)?.generation === last.generation);
    expect(routesSeen.get(endpoint)).toEqual(last);
    const { moves } = rolloutsSeen.get(rolloutId)!;
    expect(moves.map(({ to, movedBy, cause }) => [to, movedBy, cause])).toEqual([
      ['shadow', 'test', 'test'],
      ['canary', 'judge', 'as tested'],
      ['live', 'judge', 'as tested'],
    ]);
    expect(Judgement.decode(moves[2]!.judgement)).toMatchObject({ rolloutId, generation: 2, outcome: 'pass' });
  });

  it('is moved once by a judgement that is delivered twice, before and after the registry is killed', async () => {
    const rollout = await offer('3');
    await judged(verdict(rollout, 'pass'), verdict(rollout, 'pass'));
    await publish(verdict(rollout, 'pass'));
    await stop('SIGKILL');
    await start();
    await publish(verdict(rollout, 'pass'), verdict(rollout, 'fail'), Buffer.alloc(0));
    await until(() => registry.log.some(({ event }) => event === 'judgement_passed_over')); // the last of them
    expect(await rolloutOf(rollout.rolloutId)).toMatchObject({ state: 'canary', step: 1, generation: 2 });
  }, 60_000);

  it('passes over what is no judgement, and goes on with the next', async () => {
    const { rollouts } = await peer.call((stub) => stub.listRollouts, { endpoint, limit: 0 }, 10_000);
    expect(rollouts.map(({ candidate, state }) => [candidate?.version, state])).toEqual([
      ['3', 'canary'],
      ['2', 'live'],
      ['1', 'live'],
    ]);
    const nobodys = verdict({ ...rollouts[0]!, rolloutId: '0'.repeat(36) }, 'pass');
    const known = registry.log.length;
    await judged(Buffer.from([0xff, 0xff]), Buffer.alloc(0), nobodys, verdict(rollouts[0]!, 'fail'));
    expect(await rolloutOf(rollouts[0]!.rolloutId)).toMatchObject({ state: 'aborted', generation: 3 });
    expect(await route()).toMatchObject({ live: { version: '2' }, previous: { version: '1' } });
    expect((await route()).candidate).toBeUndefined();
    expect(registry.log.slice(known).filter(({ event }) => event === 'judgement_passed_over')).toHaveLength(3);
  });

  it('moves once when a promotion and a judgement come together, whichever is first', async () => {
    for (const promotedFirst of [true, false]) {
      const rollout = await offer('3');
      const client = await pool.connect();
      await client.query('SELECT pg_advisory_lock($1)', [changeLock]);
      const waiting = (count: number) => async (): Promise<boolean> => {
        const { rows } = await client.query("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted");
        return rows.length === count;
      };
      const before = await registry.metric(judgements);
      const judge = async (): Promise<void> => void (await publish(verdict(rollout, 'pass')));
      if (!promotedFirst) await judge();
      if (!promotedFirst) await until(waiting(1));
      const promotion = move(rollout.rolloutId, 'promote').then(
        ({ state }) => state,
        ({ code }: { code: string }) => code,
      );
      await until(waiting(promotedFirst ? 1 : 2));
      if (promotedFirst) await judge();
      await until(waiting(2));
      await client.query('SELECT pg_advisory_unlock($1)', [changeLock]);
      client.release();
      expect(await promotion).toBe(promotedFirst ? 'canary' : 'failed-precondition');
      await until(async () => (await registry.metric(judgements)) > before);
      expect(await rolloutOf(rollout.rolloutId)).toMatchObject({ state: 'canary', step: 1, generation: 2 });
      await move(rollout.rolloutId, 'abort');
    }
  }, 60_000);

  it('that is paused leaves the route as if there were none, and comes back to its step', async () => {
    const { rolloutId } = await offer('3', 1);
    await move(rolloutId, 'pause');
    expect(await route()).toMatchObject({ live: { version: '2' }, candidate: undefined });
    await expect(move(rolloutId, 'promote')).rejects.toMatchObject({
      message: expect.stringMatching(/one can resume, abort/),
    });
    await move(rolloutId, 'resume');
    expect((await route()).candidate).toMatchObject({ step: 1, percent: 5, mirror: false });
  });

  it('is superseded by another version, and by one that a person makes live', async () => {
    const { rollouts } = await peer.call((stub) => stub.listRollouts, { endpoint, limit: 1 }, 10_000);
    const second = await offer('1');
    expect(await rolloutOf(rollouts[0]!.rolloutId)).toMatchObject({ state: 'superseded' });
    const live = await setLive('3');
    expect(live).toMatchObject({ live: { version: '3' }, previous: { version: '2' }, candidate: undefined });
    expect((await rolloutOf(second.rolloutId)).moves.at(-1)).toMatchObject({
      to: 'superseded',
      movedBy: 'test',
      cause: 'set live: version 3, by hand',
    });
  });

  it('is aborted when its endpoint gets another model or is deleted', async () => {
    const { rolloutId } = await offer('2');
    const another = others[2]!.replace('name: rollout-test', 'name: rollout-other');
    await apply(another, endpointText.replace('model: rollout-test', 'model: rollout-other'));
    expect(await rolloutOf(rolloutId)).toMatchObject({ state: 'aborted' });
    expect(await route()).toMatchObject({ model: 'rollout-other', live: undefined, candidate: undefined });
    await apply(endpointText);
    await remove('Model', 'rollout-other');
    await offer('1');
    const deleted = await offer('2');
    await remove('Endpoint', endpoint);
    expect((await rolloutOf(deleted.rolloutId)).moves.at(-1)).toMatchObject({
      to: 'aborted',
      movedBy: 'test',
      cause: `endpoint ${endpoint} was deleted`,
    });
    await apply(endpointText);
    expect(await route()).toMatchObject({ live: undefined, candidate: undefined, previous: undefined });
  });
});
