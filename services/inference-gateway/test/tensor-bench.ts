import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import { ensurePython } from '#deploy/local/launcher/training-python.js';
import { ModelVersion } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { freePort, type ServiceProcess, startService } from '#libs/testing/service-process.js';
import { putArtifact, ToldRegistry, untilServed } from '#libs/testing/told-registry.js';

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
  const artifacts = join(folder, 'artifacts');
  const put = async (name: string): Promise<string> =>
    putArtifact(artifacts, await readFile(join(fixtures, `${name}.onnx`)));
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
  const registry = new ToldRegistry(brokers);
  const definitions = Object.fromEntries(
    versions.flatMap(({ model: name }) => [
      [`Model/${name}`, { name, task: 'tensors', owners: [] }],
      [`Endpoint/${name}`, { name, model: name, log: { features: true }, rollout: [], guardrails: { alpha: 0.05 } }],
    ]),
  ) as Record<string, object>;
  const routes = versions.map((live) => {
    const more = live.model === mixed ? { candidate } : {};
    return { endpoint: live.model, model: live.model, live, ...more };
  });
  await registry.ensureTopics();
  await registry.tell(definitions, routes);

  const worker = await startService('inference-worker', brokers, { ARTIFACTS_DIR: artifacts });
  const gateway = await startService('inference-gateway', brokers, {
    FEATURE_STORE_ADDRESS: '127.0.0.1:1',
    INFERENCE_WORKER_ADDRESSES: worker.grpcAddress,
    UPSTREAM_ADDRESSES: address,
    DATA_DIR: join(folder, 'gateway'),
  });
  await untilServed(gateway.httpUrl, [text, image, mixed, `${mixed}/versions/2`, foreign]);
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
      await registry.tell(definitions, routes, true);
      await registry.close();
      await rm(folder, { recursive: true });
    },
  };
}
