import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import {
  FeatureStoreService,
  type VectorsRequest,
  VectorsResponse,
} from '#libs/contracts/generated/millrace/features/v1/features.js';
import { ModelVersion } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import {
  type InferBatch,
  InferResult,
  InferenceWorkerService,
} from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import { featureServiceDigest } from '#libs/definitions/feature-service-digest.js';
import { GrpcServer, handle } from '#libs/rpc/grpc-server.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Readiness } from '#libs/telemetry/readiness.js';
import { float32Bytes, float32View } from '#libs/tensors/tensor-codec.js';
import { adminGuard } from '#libs/testing/admin-guard.js';
import { freePort, type ServiceProcess, startService, token } from '#libs/testing/service-process.js';
import { ToldRegistry, untilServed } from '#libs/testing/told-registry.js';

/** A caller that may predict with one endpoint alone, by a policy that the bench applies. */
export const strangersToken = 'the-token-of-a-stranger';

/** As many calls as it may make; then one in ten seconds. */
export const strangersBurst = 50;

/** A gateway as a process of its own, between a feature store and a worker that are stand-ins in this process, on the tests' Kafka. */
export interface GatewayBench {
  readonly gateway: ServiceProcess;
  /** Live version 3; columns flight_id, minute, seats, distance, hub, at (optional); its score is minute / 1000. */
  readonly model: string;
  /** The same with version 4 as a candidate, which answers half of the keys. */
  readonly rollingOut: string;
  /** One column, minute: takes raw binary requests. */
  readonly single: string;
  /** What the worker waits before it answers, ms. */
  slowMs: number;
  stop(): Promise<void>;
}

const column = (name: string, type: string) => ({ name, type, nullable: false });

/** Definitions by kind and name. */
function definitionsOf(id: string, columns: ReturnType<typeof column>[], join: string): Record<string, object> {
  const schema = [...columns, column('at', 'timestamp')];
  const expression = columns.some(({ name }) => name === 'seats') ? readsAll : 'minute';
  return {
    [`Stream/${id}-trips`]: { name: `${id}-trips`, eventTime: 'at', schema, derive: [] },
    [`FeatureService/${id}-features`]: {
      name: `${id}-features`,
      spine: `${id}-trips`,
      items: [{ request: [{ name: 'f', expression }] }],
    },
    [`Model/${id}`]: { name: id, task: 'binary', features: `${id}-features`, label: { join } },
    [`Endpoint/${id}`]: { name: id, model: id, log: { features: true } },
  };
}

const readsAll = 'hub && distance > 0.0 ? minute + seats : 0';

function versionOf(id: string, version: string, definitions: Record<string, object>): ModelVersion {
  const service = definitions[`FeatureService/${id}-features`];
  const spine = definitions[`Stream/${id}-trips`];
  return ModelVersion.fromPartial({
    model: id,
    version,
    onnxSha256: version.padEnd(64, '0'),
    featureServiceDigest: featureServiceDigest(service as never, [], spine as never),
    features: ['f'],
  });
}

/** The vector of a row is its minute. */
function featureStore(digests: ReadonlyMap<string, string>) {
  const answer = ({ batchId, featureService, rows }: VectorsRequest): VectorsResponse => {
    const values = rows.map((row) => (JSON.parse(row.toString()) as { minute: number }).minute);
    return VectorsResponse.fromPartial({
      batchId,
      vectors: float32Bytes(Float32Array.from(values)),
      rows: rows.length,
      features: 1,
      featureServiceDigest: digests.get(featureService) ?? '',
      asOfMs: values.map(() => 1),
    });
  };
  return {
    ...Object.fromEntries(Object.keys(FeatureStoreService).map((name) => [name, handle.notBuilt])),
    streamVectors: handle.duplex((stream: ServerDuplexStream<VectorsRequest, VectorsResponse>) => {
      stream.on('data', (request: VectorsRequest) => stream.write(answer(request)));
      stream.on('end', () => stream.end());
      stream.on('error', () => stream.end());
    }),
  };
}

/** The score of a row is a thousandth of its first feature. */
function worker(slowMs: () => number) {
  const answer = ({ batchId, rows, features, input }: InferBatch): InferResult => {
    const values = float32View(input);
    const output = float32Bytes(Float32Array.from({ length: rows }, (_, i) => values[i * features]! / 1_000));
    return { ...InferResult.create({ batchId }), output, columns: 1, runUs: 1 };
  };
  return {
    prepare: handle.unary(async () => ({
      inputName: 'input',
      outputName: 'output',
      loadMs: 0,
      inputs: [],
      outputs: [],
    })),
    infer: handle.duplex((stream: ServerDuplexStream<InferBatch, InferResult>) => {
      stream.on('data', (batch: InferBatch) => void sleep(slowMs()).then(() => stream.write(answer(batch))));
      stream.on('end', () => stream.end());
      stream.on('error', () => stream.end());
    }),
  };
}

async function standIn(): Promise<{ server: GrpcServer; address: string; listen(): Promise<void> }> {
  const address = `127.0.0.1:${await freePort()}`;
  const server = new GrpcServer(
    address,
    adminGuard('gateway', token),
    new Readiness(),
    new Logger('test', 'error'),
    100,
  );
  const listen = () =>
    new Promise<void>((resolve, reject) => server.listen((error) => (error ? reject(error as Error) : resolve())));
  return { server, address, listen };
}

/** Starts all of it, with names of its own, for other tests share the topics. Resolves when every endpoint is live. */
export async function startGatewayBench(settings: Readonly<Record<string, string>> = {}): Promise<GatewayBench> {
  const id = `oip-${randomUUID().slice(0, 8)}`;
  const [model, rollingOut, single] = [id, `${id}-rolling`, `${id}-single`];
  const full = [
    column('flight_id', 'string'),
    column('minute', 'int32'),
    column('seats', 'int64'),
    column('distance', 'float64'),
    column('hub', 'bool'),
  ];
  const definitions = {
    ...definitionsOf(model, full, 'flight_id'),
    ...definitionsOf(rollingOut, full, 'flight_id'),
    ...definitionsOf(single, [column('minute', 'int32')], 'minute'),
    [`Policy/${id}`]: {
      name: id,
      access: [{ role: id, may: ['predict'], on: [`endpoints/${model}`] }],
      quotas: [{ role: id, on: [`endpoints/${model}`], requestsPerSecond: 0.1, burst: strangersBurst }],
    },
  };
  const versions = [model, rollingOut, single].map((name) => versionOf(name, '3', definitions));
  const candidate = { version: versionOf(rollingOut, '4', definitions), rolloutId: id, step: 1, percent: 50 };
  const digests = new Map(versions.map((version) => [`${version.model}-features`, version.featureServiceDigest]));

  const [features, workers] = [await standIn(), await standIn()];
  const bench = { slowMs: 0 };
  features.server.addService(FeatureStoreService, featureStore(digests));
  workers.server.addService(
    InferenceWorkerService,
    worker(() => bench.slowMs),
  );
  await Promise.all([features.listen(), workers.listen()]);

  const brokers = getTestInfrastructure().KAFKA_BROKERS;
  const registry = new ToldRegistry(brokers);
  const routes = versions.map((live) => {
    const more = live.model === rollingOut ? { candidate } : {};
    return { endpoint: live.model, model: live.model, live, ...more };
  });
  await registry.ensureTopics();
  await registry.tell(definitions, routes);

  const folder = mkdtempSync(join(tmpdir(), 'millrace-gateway-'));
  const gateway = await startService('inference-gateway', brokers, {
    FEATURE_STORE_ADDRESS: features.address,
    INFERENCE_WORKER_ADDRESSES: workers.address,
    DATA_DIR: folder,
    MILLRACE_TOKENS: `test=${token},stranger=${strangersToken}`,
    MILLRACE_ROLES: `test=admin,stranger=${id}`,
    ...settings,
  });
  await untilServed(gateway.httpUrl, [model, rollingOut, single]);
  return Object.assign(bench, {
    gateway,
    model,
    rollingOut,
    single,
    stop: async () => {
      if (isRunning(gateway.pid)) await gateway.kill('SIGTERM');
      await registry.tell(definitions, routes, true);
      await registry.close();
      await Promise.all([features.server.close(), workers.server.close()]);
      rmSync(folder, { recursive: true, force: true });
    },
  });
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false; // ESRCH: it has ended
  }
}
