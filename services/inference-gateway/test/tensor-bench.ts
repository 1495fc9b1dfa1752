import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import { ensurePython } from '#deploy/local/launcher/training-python.js';
import { DefinitionChanged } from '#libs/contracts/generated/millrace/control/v1/control.js';
import { ModelVersion, Route } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { KafkaMessageLog } from '#libs/messaging/kafka-message-log.js';
import { Wiring } from '#libs/messaging/wiring.js';
import { ArtifactStore } from '#libs/storage/artifact-store.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { Logger } from '#libs/telemetry/logger.js';
import { freePort, type ServiceProcess, startService, token } from '#libs/testing/service-process.js';
import { until } from '#libs/testing/until.js';

const fixtures = join(projectRoot(), 'services/inference-worker/test/fixtures');

/** A gateway and a worker as processes of their own, on the tests' Kafka, and a server of KServe's beside them. */
export interface TensorBench {
  readonly gateway: ServiceProcess;
  readonly workerAddress: string;
  /** Of the mixed model, as the worker has it. */
  readonly mixedVersion: ModelVersion;
  readonly text: string;
  readonly image: string;
  /** Live version 1, and version 2 of the same file, which answers half of the requests and is shown the others. */
  readonly mixed: string;
  /** Served by KServe. */
  readonly foreign: string;
  /** Served at an address that is not allowed. */
  readonly forbidden: string;
  stopForeign(): Promise<void>;
  stop(): Promise<void>;
}

/** So that none is left where the bench does not come up. */
const left = new Set<ChildProcess>();
process.once('exit', () => left.forEach((child) => child.kill('SIGKILL')));

/** KServe's own server as a process. Its models answer once its gRPC port does. */
async function startForeign(): Promise<{ address: string; server: ChildProcess }> {
  const python = await ensurePython('python-kserve', 'requirements-kserve.lock', () => undefined);
  const [http, grpc] = [await freePort(), await freePort()];
  const script = join(projectRoot(), 'deploy/local/launcher/test/clients/kserve_server.py');
  const server = spawn(python, [script, String(http), String(grpc)], { stdio: 'ignore' });
  left.add(server);
  return { address: `127.0.0.1:${grpc}`, server };
}

async function stopProcess(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const ended = new Promise((resolve) => server.once('exit', resolve));
  server.kill('SIGKILL');
  await ended;
}

export async function startTensorBench(): Promise<TensorBench> {
  const id = `any-${randomUUID().slice(0, 8)}`;
  const [text, image, mixed] = [`${id}-text`, `${id}-image`, `${id}-mixed`];
  const [foreign, forbidden] = [`${id}-foreign`, `${id}-forbidden`];
  const folder = await mkdtemp(join(tmpdir(), 'millrace-tensors-'));
  const store = new ArtifactStore(join(folder, 'artifacts'));
  const put = async (name: string): Promise<string> => {
    const bytes = await readFile(join(fixtures, `${name}.onnx`));
    return (await store.put(chunks(bytes), 1_000_000)).sha256;
  };
  const { address, server } = await startForeign();
  const version = (model: string, more: object, number = '1') =>
    ModelVersion.fromPartial({ model, version: number, task: 'tensors', ...more });
  const mixedSha = await put('mixed');
  const versions = [
    version(text, { onnxSha256: await put('text') }),
    version(image, { onnxSha256: await put('image') }),
    version(mixed, { onnxSha256: mixedSha }),
    version(foreign, { upstream: { address, model: 'doubler' } }),
    version(forbidden, { upstream: { address: '127.0.0.1:1', model: 'doubler' } }),
  ];
  const candidate = {
    version: version(mixed, { onnxSha256: mixedSha }, '2'),
    rolloutId: id,
    step: 1,
    percent: 50,
    mirror: true,
  };

  const brokers = getTestInfrastructure().KAFKA_BROKERS;
  const log = new KafkaMessageLog('registry', brokers.split(','), new Wiring(), new Logger('registry', 'error'));
  const record = (key: string, value: Uint8Array) => ({
    key: Buffer.from(key),
    value: Buffer.from(value),
    headers: {},
  });
  const publish = async (deleted: boolean): Promise<void> => {
    const defined = versions.flatMap(({ model: name }) =>
      Object.entries({
        [`Model/${name}`]: { name, task: 'tensors', owners: [] },
        [`Endpoint/${name}`]: { name, model: name, log: { features: true }, rollout: [], guardrails: { alpha: 0.05 } },
      }).map(([key, spec]) => {
        const definition = { specJson: Buffer.from(JSON.stringify(spec)), deleted };
        return record(key, DefinitionChanged.encode(DefinitionChanged.fromPartial({ definition })).finish());
      }),
    );
    const routed = versions.map((live) => {
      const more = live.model === mixed ? { candidate } : {};
      const route = Route.fromPartial({ endpoint: live.model, model: live.model, live, deleted, ...more });
      return record(live.model, Route.encode(route).finish());
    });
    await log.publisher('definitionsChanged').publish(defined);
    await log.publisher('routesChanged').publish(routed);
  };
  const topics = [
    'definitionsChanged',
    'modelsChanged',
    'routesChanged',
    'predictionsLogged',
    'auditRecorded',
  ] as const;
  await log.ensureTopics(topics.map((topic) => ({ id: topic })));
  await publish(false);

  const worker = await startService('inference-worker', brokers, { ARTIFACTS_DIR: join(folder, 'artifacts') });
  const gateway = await startService('inference-gateway', brokers, {
    FEATURE_STORE_ADDRESS: '127.0.0.1:1',
    INFERENCE_WORKER_ADDRESSES: worker.grpcAddress,
    UPSTREAM_ADDRESSES: address,
    DATA_DIR: join(folder, 'gateway'),
  });
  const isReady = async (name: string): Promise<boolean> => {
    const answer = await fetch(`${gateway.httpUrl}/v2/models/${name}/ready`, {
      headers: { authorization: `Bearer ${token}` },
    });
    return answer.status === 200;
  };
  for (const name of [text, image, mixed, `${mixed}/versions/2`, foreign])
    await until(() => isReady(name), `${name} ready`);
  return {
    gateway,
    workerAddress: worker.grpcAddress,
    mixedVersion: candidate.version,
    text,
    image,
    mixed,
    foreign,
    forbidden,
    stopForeign: () => stopProcess(server),
    stop: async () => {
      await gateway.kill('SIGTERM');
      await worker.kill('SIGTERM');
      await stopProcess(server);
      await publish(true);
      await log.close();
      await rm(folder, { recursive: true });
    },
  };
}

async function* chunks(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}
