import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createClient } from '@clickhouse/client';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import { type MeshState, writeMeshState } from '#libs/boot/mesh-state.js';
import { GRPCInferenceServiceClient, ModelInferRequest } from '#libs/contracts/generated/inference/v2/inference.js';
import { serviceNames } from '#libs/contracts/services.js';
import { Peer } from '#libs/rpc/grpc-client.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { type ServiceProcess, startService, token } from '#libs/testing/service-process.js';
import { untilServed } from '#libs/testing/told-registry.js';

interface Rollout {
  readonly state: string;
  readonly moves: readonly { from: string; to: string; movedBy: string; cause: string }[];
}

const run = promisify(execFile);
const name = `tensors-${randomUUID().slice(0, 8)}`;
const fixtures = join(projectRoot(), 'services/inference-worker/test/fixtures');
const folder = mkdtempSync(join(tmpdir(), 'millrace-tensor-rollout-'));
const definitions = join(folder, 'definitions');
const serving = ['registry', 'inference-worker', 'inference-gateway', 'monitor'] as const;
const started = new Map<string, ServiceProcess>();
let gateway: Peer<GRPCInferenceServiceClient>;
let answered = 0;

/** The services that a model's way to live goes through, as processes of their own on the tests' servers, and what the millrace command reads of them. */
beforeAll(async () => {
  const { KAFKA_BROKERS, POSTGRES_URL, CLICKHOUSE_URL } = getTestInfrastructure();
  const ARTIFACTS_DIR = join(folder, 'artifacts');
  const start = async (service: (typeof serving)[number], settings: Record<string, string>) =>
    started.set(service, await startService(service, KAFKA_BROKERS, { ARTIFACTS_DIR, ...settings }));
  await start('registry', { POSTGRES_URL });
  await start('monitor', { CLICKHOUSE_URL, JUDGE_INTERVAL_MS: '200' });
  await start('inference-worker', {});
  await start('inference-gateway', {
    FEATURE_STORE_ADDRESS: '127.0.0.1:1',
    INFERENCE_WORKER_ADDRESSES: started.get('inference-worker')!.grpcAddress,
    DATA_DIR: join(folder, 'gateway'),
  });
  gateway = new Peer(GRPCInferenceServiceClient, 'gateway', started.get('inference-gateway')!.grpcAddress, token);
  writeMesh(CLICKHOUSE_URL);
  mkdirSync(definitions);
  writeFileSync(join(definitions, 'model.yaml'), `kind: Model\nname: ${name}\ntask: tensors\n`);
}, 120_000);
afterAll(async () => {
  gateway?.close();
  if (started.has('registry')) await millrace('delete', 'endpoint', name);
  for (const service of started.values()) await service.kill('SIGTERM');
  rmSync(folder, { recursive: true });
}, 60_000);

function writeMesh(clickhouseUrl: string): void {
  const nobody = '127.0.0.1:1';
  const services = Object.fromEntries(
    serviceNames.map((service) => {
      const { grpcAddress, httpUrl } = started.get(service) ?? { grpcAddress: nobody, httpUrl: `http://${nobody}` };
      return [service, { grpc: grpcAddress, http: httpUrl.slice('http://'.length), log: '' }];
    }),
  ) as MeshState['services'];
  const infrastructure = { kafka: nobody, clickhouse: nobody, redis: nobody, postgres: nobody };
  writeMeshState(folder, { launcherPid: process.pid, token, services, infrastructure, clickhouseUrl });
}

/** The command as a person types it, and what it printed. */
async function millrace(...args: string[]): Promise<string> {
  const env = { ...process.env, MILLRACE_DATA: folder };
  return (await run(process.execPath, [join(projectRoot(), 'dist/services/cli/src/main.js'), ...args], { env })).stdout;
}

async function apply(endpoint: string): Promise<void> {
  writeFileSync(join(definitions, 'endpoint.yaml'), `kind: Endpoint\nname: ${name}\nmodel: ${name}\n${endpoint}`);
  await millrace('apply', '-f', definitions);
}

/** @returns the number of the version */
async function register(file: string): Promise<string> {
  const made = await millrace('models', 'register', name, '--onnx', join(fixtures, `${file}.onnx`), '--json');
  return (JSON.parse(made) as { version: string }).version;
}

const offer = (version: string, ...more: string[]) =>
  millrace('rollout', 'start', name, '--version', version, '--cause', 'as a test', ...more);

async function newestRollout(): Promise<Rollout> {
  return (JSON.parse(await millrace('rollout', 'history', name, '--json')) as Rollout[])[0]!;
}

/** total = half * count. Whoever fails, a caller never sees it. @returns by which version */
async function ask(): Promise<string> {
  const inputs = [
    { name: 'half', datatype: 'FP16', shape: [2] },
    { name: 'count', datatype: 'INT64', shape: [2] },
    { name: 'keep', datatype: 'BOOL', shape: [2] },
  ];
  const counts = Buffer.from(BigInt64Array.of(4n, 5n).buffer);
  const rawInputContents = [Buffer.from('00380040', 'hex'), counts, Buffer.from([1, 0])];
  const request = ModelInferRequest.fromPartial({ modelName: name, inputs, rawInputContents });
  const answer = await gateway.call((stub) => stub.modelInfer, request, 10_000);
  expect([...new Float64Array(new Uint8Array(answer.rawOutputContents[0]!).buffer)]).toEqual([2, 10]);
  answered += 1;
  return answer.modelVersion;
}

/** Calls flow until the newest rollout has ended. */
async function ended(): Promise<Rollout> {
  const underWay = ['pending', 'shadow', 'canary'];
  for (const untilMs = Date.now() + 120_000; ;) {
    for (let i = 0; i < 40; i++) await Promise.all(Array.from({ length: 10 }, ask));
    const rollout = await newestRollout();
    if (!underWay.includes(rollout.state)) return rollout;
    if (Date.now() > untilMs)
      throw new Error(`still ${JSON.stringify(rollout)}: ${await millrace('rollout', 'status', name)}`);
  }
}

const moves = ({ moves: all }: Rollout) => all.map(({ to, movedBy }) => `${to} by ${movedBy}`);
const notJudged = 'what it answers is not judged, for a model of task tensors has no label';
const steps = 'rollout: [{shadow: {predictions: 100}}, {canary: {percent: 50, predictions: 200}}]\n';

describe('a model of tensors on its way to live', () => {
  it('is live at once where nothing was', async () => {
    await apply(`${steps}guardrails: {errors: {margin: 5%}, latencyP99: {ratio: 50}}\n`);
    await offer(await register('mixed'));
    await untilServed(started.get('inference-gateway')!.httpUrl, [name]);
    expect(await ask()).toBe('1');
  }, 60_000);

  it('goes through shadow and canary by verdicts on errors and latency, each of which says that its answers were not judged', async () => {
    await offer(await register('mixed-again'));
    const rollout = await ended();
    expect(moves(rollout)).toEqual(['shadow by test', 'canary by judge', 'live by judge']);
    const [, toCanary, toLive] = rollout.moves.map(({ cause }) => cause);
    expect(toCanary).toMatch(/errors within the margin/);
    expect(toLive).toMatch(/errors, latencyP99 within the margin/);
    for (const cause of [toCanary, toLive]) expect(cause).toContain(notJudged);
    await untilAnswered('2');
  }, 180_000);

  it.each([
    ['shadow', '0'],
    ['canary', '1'],
  ])(
    'is rolled back by a verdict where it fails as a %s, and no caller sees it',
    async (state, step) => {
      const version = await register('mixed-to-three');
      await offer(version, '--from-step', step);
      const rollout = await ended();
      expect(moves(rollout)).toEqual([`${state} by test`, 'aborted by judge']);
      expect(rollout.moves[1]!.cause).toMatch(/errors: the share of rows that fail is .* surely above 0/);
      expect(await ask()).toBe('2');
    },
    180_000,
  );

  it('may not have a guardrail that nothing can judge', async () => {
    await expect(apply(`${steps}guardrails: {logloss: {margin: 0.02}}\n`)).rejects.toMatchObject({
      stdout: expect.stringContaining('logloss is of binary models'),
    });
  }, 60_000);

  it('has each of its predictions once in the log, by the version that answered', async () => {
    const clickhouse = createClient({ url: getTestInfrastructure().CLICKHOUSE_URL });
    const query = `SELECT toUInt32(count()) AS n, toUInt32(uniqExact(prediction_id)) AS ids FROM monitoring.predictions WHERE endpoint = {name: String}`;
    const read = async () =>
      (
        await (
          await clickhouse.query({ query, query_params: { name }, format: 'JSONEachRow' })
        ).json<{ n: number; ids: number }>()
      )[0]!;
    for (const untilMs = Date.now() + 30_000; Date.now() < untilMs && (await read()).n < answered;);
    expect(await read()).toEqual({ n: answered, ids: answered });
    await clickhouse.close();
  }, 60_000);
});

async function untilAnswered(version: string): Promise<void> {
  for (const untilMs = Date.now() + 30_000; (await ask()) !== version;)
    if (Date.now() > untilMs) throw new Error(`version ${version} is live and does not answer`);
}
