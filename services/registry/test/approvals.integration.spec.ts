import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import { ApprovalDecided } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import {
  ModelVersion,
  RegistryClient,
  Rollout,
  RunRecord,
} from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { openApprovalContent } from '#libs/definitions/approval-content.js';
import type { FeatureServiceSpec, StreamSpec } from '#libs/definitions/definition-kinds.js';
import { featureServiceDigest } from '#libs/definitions/feature-service-digest.js';
import { KafkaMessageLog } from '#libs/messaging/kafka-message-log.js';
import { Wiring } from '#libs/messaging/wiring.js';
import { Peer } from '#libs/rpc/grpc-client.js';
import { ArtifactStore } from '#libs/storage/artifact-store.js';
import { Logger } from '#libs/telemetry/logger.js';
import { type ServiceProcess, startService, token } from '#libs/testing/service-process.js';
import { until } from '#libs/testing/until.js';

const name = 'approval-test';
const service = (expression: string) =>
  `kind: FeatureService\nname: ${name}\nspine: ${name}\nfeatures: [{request: {b: x, a: ${expression}}}]\n`;
const documents = [
  `kind: Stream\nname: ${name}\neventTime: at\nschema: {at: timestamp, x: float64, y: float64, id: string}\n`,
  service('y'),
  `kind: Model\nname: ${name}\ntask: binary\nfeatures: ${name}\nlabel: {stream: ${name}, value: x > 0.0, join: id, horizon: 1h}\n`,
  `kind: Endpoint\nname: ${name}\nmodel: ${name}\ntier: high\nrollout: [{shadow: {predictions: 10}}]\nguardrails: {errors: {margin: 1%}}\n`,
  `kind: Policy\nname: ${name}\napprovals: {when: 'endpoint.name == "${name}" && endpoint.tier == "high"', roles: [model-risk], notRequester: true}\n`,
];
const outcomes = 'millrace_registry_approvals_total';

let folder: string;
let registry: ServiceProcess;
let peer: Peer<RegistryClient>;
let log: KafkaMessageLog;

async function start(): Promise<void> {
  const { KAFKA_BROKERS, POSTGRES_URL } = getTestInfrastructure();
  registry = await startService('registry', KAFKA_BROKERS, { POSTGRES_URL, ARTIFACTS_DIR: folder });
  peer = new Peer(RegistryClient, 'registry', registry.grpcAddress, token);
}

async function stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  peer.close();
  await registry.kill(signal);
}

async function apply(...texts: string[]): Promise<void> {
  const sent = texts.map((text, i) => ({ path: `${i}.yaml`, text }));
  const request = { documents: sent, dryRun: false, requestedBy: '' };
  expect((await peer.call((stub) => stub.apply, request, 10_000)).problems).toEqual([]);
}
const remove = (kind: string) => peer.call((stub) => stub.deleteDefinition, { kind, name, dryRun: false }, 10_000);
const offer = (version: string) =>
  peer.call((stub) => stub.startRollout, { endpoint: name, version, cause: 'test', fromStep: 0 }, 10_000);
const rolloutOf = (rolloutId: string) => peer.call((stub) => stub.getRollout, { rolloutId, endpoint: '' }, 10_000);
const route = () => peer.call((stub) => stub.getRoute, { endpoint: name }, 10_000);

function decision({ rolloutId, approvalDigest }: Rollout, change: Partial<ApprovalDecided> = {}): Buffer {
  const votes = [{ voter: 'bo', roles: ['model-risk'], approve: change.approved ?? true, comment: 'seen', atMs: 5 }];
  const decided = { subject: `rollouts/${rolloutId}`, digest: approvalDigest, approved: true, votes, ...change };
  return Buffer.from(ApprovalDecided.encode(ApprovalDecided.fromPartial(decided)).finish());
}
const publish = (...values: Buffer[]) =>
  log.publisher('approvalsDecided').publish(values.map((value) => ({ key: Buffer.from('r'), value, headers: {} })));

/** Publishes, and waits until the registry has decided on all of them. */
async function decided(...values: Buffer[]): Promise<void> {
  const before = await registry.metric(outcomes);
  await publish(...values);
  await until(async () => (await registry.metric(outcomes)) >= before + values.length);
}

/** Versions 1 to 3; a person asked for the run of the second. */
async function makeVersions(): Promise<void> {
  const { definitions } = await peer.call((stub) => stub.listDefinitions, { kind: '', name }, 10_000);
  const spec = (kind: string) =>
    JSON.parse(definitions.find((one) => one.kind === kind)!.specJson.toString()) as unknown;
  const digest = featureServiceDigest(spec('FeatureService') as FeatureServiceSpec, [], spec('Stream') as StreamSpec);
  const bytes = (async function* () {
    yield Buffer.from('onnx of approvals');
  })();
  const { sha256 } = await new ArtifactStore(folder).put(bytes, 100);
  const run = RunRecord.fromPartial({ runId: `${name}-2`, params: { requestedBy: 'ann' } });
  await peer.call((stub) => stub.recordRun, run, 10_000);
  for (const number of [1, 2, 3]) {
    const version = { model: name, onnxSha256: sha256, featureService: name, featureServiceDigest: digest };
    const rest = { features: ['b', 'a'], runId: `${name}-${number}`, task: 'binary', metrics: { 'validate.auc': 0.9 } };
    await peer.call((stub) => stub.createModelVersion, ModelVersion.fromPartial({ ...version, ...rest }), 10_000);
  }
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-approvals-'));
  await start();
  const brokers = getTestInfrastructure().KAFKA_BROKERS.split(',');
  log = new KafkaMessageLog('governance', brokers, new Wiring(), new Logger('governance', 'error'));
  await apply(...documents);
  await makeVersions();
}, 60_000);
afterAll(async () => {
  for (const kind of ['Policy', 'Endpoint', 'Model', 'FeatureService', 'Stream']) await remove(kind);
  await stop('SIGTERM');
  await log.close();
  rmSync(folder, { recursive: true });
}, 60_000);

describe('an offer that a policy asks an approval for', () => {
  it('waits, serves nobody, and cannot be passed, also where it would go live at once', async () => {
    const rollout = await offer('1');
    expect(rollout).toMatchObject({
      state: 'pending',
      generation: 1,
      approvalRule: { policies: [name], roles: ['model-risk'], quorum: 1, notRequester: true },
    });
    expect(createHash('sha256').update(rollout.approvalJson).digest('hex')).toBe(rollout.approvalDigest);
    expect(openApprovalContent(rollout.approvalJson, rollout.approvalDigest)).toMatchObject({
      rollout: rollout.rolloutId,
      version: { number: '1', metrics: { 'validate.auc': 0.9 } },
      requesters: ['test'],
    });
    expect(await route()).toMatchObject({ live: undefined, candidate: undefined });
    expect((await offer('1')).rolloutId).toBe(rollout.rolloutId);
    const setLive = peer.call((stub) => stub.setLive, { endpoint: name, version: '1', cause: '' }, 10_000);
    await expect(setLive).rejects.toMatchObject({
      code: 'failed-precondition',
      message: expect.stringMatching(/policy approval-test asks for an approval; offer it with StartRollout/),
    });
    const request = { rolloutId: rollout.rolloutId, action: 'promote', cause: '' };
    await expect(peer.call((stub) => stub.moveRollout, request, 10_000)).rejects.toMatchObject({
      code: 'failed-precondition',
      message: expect.stringMatching(/is pending and waits for approval [0-9a-f]{12}/),
    });
  });

  it('is moved by nothing but the decision on its digest, and by that once, however often it comes', async () => {
    const { rollouts } = await peer.call((stub) => stub.listRollouts, { endpoint: name, limit: 1 }, 10_000);
    const rollout = rollouts[0]!;
    const other = '0'.repeat(64);
    await decided(
      decision(rollout, { digest: other }),
      decision(rollout, { digest: other, approved: false }),
      decision(rollout, { subject: `rollouts/${'0'.repeat(36)}` }),
      decision(rollout, { subject: 'rollouts/%' }),
      Buffer.from([0xff, 0xff]),
    );
    expect(await rolloutOf(rollout.rolloutId)).toMatchObject({ state: 'pending', generation: 1 });
    await decided(decision(rollout), decision(rollout), decision(rollout, { approved: false }));
    expect(await rolloutOf(rollout.rolloutId)).toMatchObject({ state: 'live', generation: 2 });
    expect((await rolloutOf(rollout.rolloutId)).moves.at(-1)).toMatchObject({
      from: 'pending',
      movedBy: 'bo',
      cause: 'approved by bo: seen',
    });
    expect((await route()).live?.version).toBe('1');
  });

  it('begins with its first step, also when the registry was killed while the decision came', async () => {
    const rollout = await offer('2');
    expect(openApprovalContent(rollout.approvalJson, rollout.approvalDigest).requesters).toEqual(['test', 'ann']);
    await stop('SIGKILL');
    await publish(decision(rollout), decision(rollout));
    await start();
    await until(async () => (await rolloutOf(rollout.rolloutId)).state !== 'pending');
    const last = await offer('3'); // what came before it has been read
    await decided(decision(last, { digest: '1'.repeat(64) }));
    expect((await rolloutOf(rollout.rolloutId)).moves.map(({ to }) => to)).toEqual(['pending', 'shadow', 'superseded']);
    expect(await route()).toMatchObject({ live: { version: '1' }, candidate: undefined });
  }, 60_000);

  it('gives way to another version, and is aborted with who rejected it', async () => {
    const first = await offer('2');
    const second = await offer('3');
    expect(await rolloutOf(first.rolloutId)).toMatchObject({ state: 'superseded' });
    await decided(decision(first), decision(second, { approved: false }));
    expect(await rolloutOf(first.rolloutId)).toMatchObject({ state: 'superseded', generation: 2 });
    expect((await rolloutOf(second.rolloutId)).moves.at(-1)).toMatchObject({
      to: 'aborted',
      movedBy: 'bo',
      cause: 'rejected by bo: seen',
    });
    expect(await route()).toMatchObject({ live: { version: '1' }, candidate: undefined });
  });

  it('is aborted where its features mean something else by the time that it is approved', async () => {
    const rollout = await offer('2');
    await apply(service('y + 1.0'));
    await decided(decision(rollout));
    const moved = await rolloutOf(rollout.rolloutId);
    expect(moved).toMatchObject({ state: 'aborted', generation: 2 });
    expect(moved.cause).toBe('test');
    expect(moved.moves.at(-1)!.cause).toMatch(
      /^approved by bo: seen; meanwhile version 2 of approval-test was trained on/,
    );
    await apply(service('y'));
  });

  it('is asked for no longer once the policy is gone', async () => {
    await remove('Policy');
    expect(await offer('2')).toMatchObject({ state: 'shadow', approvalDigest: '', approvalRule: undefined });
    await apply(documents.at(-1)!);
  });
});
