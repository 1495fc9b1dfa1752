import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DefinitionChanged } from '#libs/contracts/generated/millrace/control/v1/control.js';
import { ModelVersion, Route } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { featureServiceDigest } from '#libs/definitions/feature-service-digest.js';
import { KafkaMessageLog } from '#libs/messaging/kafka-message-log.js';
import { Wiring } from '#libs/messaging/wiring.js';
import { ArtifactStore } from '#libs/storage/artifact-store.js';
import { Logger } from '#libs/telemetry/logger.js';
import { freePort, type ServiceProcess, startService, token } from './service-process.js';

/** A service that comes back on its own addresses and folder. */
export interface Restartable {
  readonly grpcAddress: string;
  readonly httpUrl: string;
  readonly current: ServiceProcess;
  kill(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null>;
  /** Resolves when it is ready. */
  start(): Promise<void>;
}

/** A real gateway and real workers as processes of their own, on a real Kafka, with one endpoint a model. They take the vector whole, `features` FP32 [rows, F]; nothing is fetched. */
export interface ServingStack {
  readonly gateway: Restartable;
  readonly workers: readonly Restartable[];
  readonly folder: string;
  stop(): Promise<void>;
}

export interface ServingOptions {
  readonly brokers: string;
  /** Endpoint's name -> ONNX file with `features` features and one score. */
  readonly models: Readonly<Record<string, string>>;
  readonly features: number;
  readonly workers: number;
  readonly gatewaySettings?: Readonly<Record<string, string>>;
  readonly workerSettings?: Readonly<Record<string, string>>;
}

export async function startServingStack(options: ServingOptions): Promise<ServingStack> {
  const { brokers, models, features, gatewaySettings, workerSettings } = options;
  const folder = mkdtempSync(join(tmpdir(), 'millrace-serving-'));
  const store = new ArtifactStore(join(folder, 'artifacts'));
  const log = new KafkaMessageLog('registry', brokers.split(','), new Wiring(), new Logger('registry', 'error'));
  const ids = ['definitionsChanged', 'routesChanged', 'modelsChanged', 'predictionsLogged', 'auditRecorded'] as const;
  await log.ensureTopics(ids.map((id) => ({ id })));
  const tell = async (deleted: boolean): Promise<void> => {
    for (const [name, file] of Object.entries(models))
      await announce(log, name, features, await put(store, file), deleted);
  };
  await tell(false);
  const ofWorker = { ARTIFACTS_DIR: join(folder, 'artifacts'), ...workerSettings };
  const workers = await Promise.all(
    Array.from({ length: options.workers }, () => startRestartable('inference-worker', brokers, ofWorker)),
  );
  const gateway = await startRestartable('inference-gateway', brokers, {
    INFERENCE_WORKER_ADDRESSES: workers.map(({ grpcAddress }) => grpcAddress).join(','),
    FEATURE_STORE_ADDRESS: `127.0.0.1:${await freePort()}`, // nobody there
    DATA_DIR: join(folder, 'gateway'),
    ...gatewaySettings,
  });
  for (const name of Object.keys(models)) await untilReady(gateway, name);
  return {
    gateway,
    workers,
    folder,
    stop: async () => {
      await Promise.all([gateway, ...workers].map((service) => service.kill('SIGTERM')));
      await tell(true);
      await log.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function startRestartable(
  name: string,
  brokers: string,
  settings: Readonly<Record<string, string>>,
): Promise<Restartable> {
  const [grpcAddress, httpAddress] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
  const start = () => startService(name, brokers, { GRPC_LISTEN: grpcAddress, HTTP_LISTEN: httpAddress, ...settings });
  let current = await start();
  return {
    grpcAddress,
    httpUrl: `http://${httpAddress}`,
    get current() {
      return current;
    },
    kill: (signal) => current.kill(signal),
    start: async () => {
      current = await start();
    },
  };
}

async function put(store: ArtifactStore, file: string): Promise<string> {
  const bytes = await readFile(file);
  const chunks = (async function* () {
    yield bytes;
  })();
  return (await store.put(chunks, bytes.length)).sha256;
}

/** What the registry would tell: a stream, a feature service, a model, an endpoint, and version 1 live. */
async function announce(
  log: KafkaMessageLog,
  name: string,
  features: number,
  onnxSha256: string,
  deleted: boolean,
): Promise<void> {
  const columns = Array.from({ length: features }, (_, i) => ({ name: `f${i}`, type: 'float64', nullable: true }));
  const schema = [{ name: 'id', type: 'string', nullable: true }, ...columns, { name: 'at', type: 'timestamp' }];
  const spine = { name: `${name}-rows`, eventTime: 'at', schema, derive: [] };
  const request = columns.map((column) => ({ name: column.name, expression: column.name }));
  const service = { name: `${name}-features`, spine: spine.name, items: [{ request }] };
  const definitions: Record<string, object> = {
    [`Stream/${spine.name}`]: spine,
    [`FeatureService/${service.name}`]: service,
    [`Model/${name}`]: { name, task: 'binary', features: service.name, label: { join: 'id' } },
    [`Endpoint/${name}`]: { name, model: name, log: { features: true } },
  };
  const live = ModelVersion.fromPartial({
    model: name,
    version: '1',
    onnxSha256,
    featureServiceDigest: featureServiceDigest(service as never, [], spine as never),
    features: columns.map((column) => column.name),
  });
  const record = (key: string, value: Uint8Array) => ({
    key: Buffer.from(key),
    value: Buffer.from(value),
    headers: {},
  });
  await log.publisher('definitionsChanged').publish(
    Object.entries(definitions).map(([key, spec]) => {
      const definition = { specJson: Buffer.from(JSON.stringify(spec)), deleted };
      return record(key, DefinitionChanged.encode(DefinitionChanged.fromPartial({ definition })).finish());
    }),
  );
  const route = Route.encode(Route.fromPartial({ endpoint: name, model: name, live, deleted })).finish();
  await log.publisher('routesChanged').publish([record(name, route)]);
}

async function untilReady({ httpUrl }: Restartable, name: string): Promise<void> {
  const headers = { authorization: `Bearer ${token}` };
  for (const end = Date.now() + 30_000; ; await sleep(50)) {
    const { status } = await fetch(`${httpUrl}/v2/models/${name}/ready`, { headers });
    if (status === 200) return;
    if (Date.now() > end) throw new Error(`endpoint ${name} is not ready within 30 s: ${status}`);
  }
}
