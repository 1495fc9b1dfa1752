import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Candidate, ModelVersion } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { Background } from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import type { EndpointSpec } from '#libs/definitions/definition-kinds.js';
import { featureServiceDigest } from '#libs/definitions/feature-service-digest.js';
import { float32Bytes } from '#libs/tensors/tensor-codec.js';
import { freePort, type ServiceProcess, startService } from './service-process.js';
import { putArtifact, ToldRegistry, untilServed } from './told-registry.js';

/** A service that comes back on its own addresses and folder. */
export interface Restartable {
  readonly grpcAddress: string;
  readonly httpUrl: string;
  readonly current: ServiceProcess;
  kill(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null>;
  /** Resolves when it is ready. @param changed settings, for this start */
  start(changed?: Readonly<Record<string, string>>): Promise<void>;
}

/** A real gateway and real workers as processes of their own, on a real Kafka, with one endpoint a model. They take the vector whole, `features` FP32 [rows, F]; nothing is fetched. */
export interface ServingStack {
  readonly gateway: Restartable;
  readonly workers: readonly Restartable[];
  readonly folder: string;
  /** Tells that this file is live as this version; the gateway takes it up when a worker has it. */
  goLive(endpoint: string, version: string, file: string): Promise<void>;
  stop(): Promise<void>;
}

export interface ServingOptions {
  readonly brokers: string;
  /** Endpoint's name -> ONNX file with `features` features and one score. */
  readonly models: Readonly<Record<string, string>>;
  readonly features: number;
  /** Training rows that versions are explained against, float32 [rows, features]; absent = they are not explained. */
  readonly background?: Float32Array;
  readonly workers: number;
  /** Endpoint's name -> version 2, which is tried beside the model: answers half of the keys, in step 0 of the rollout. */
  readonly candidates?: Readonly<Record<string, { readonly file: string; readonly rolloutId: string }>>;
  /** What the definition of each endpoint says beside its name, model and log, as it is normalised. */
  readonly endpoint?: Partial<EndpointSpec>;
  readonly gatewaySettings?: Readonly<Record<string, string>>;
  readonly workerSettings?: Readonly<Record<string, string>>;
}

export async function startServingStack(options: ServingOptions): Promise<ServingStack> {
  const { brokers, models, features, candidates = {}, gatewaySettings, workerSettings } = options;
  const folder = mkdtempSync(join(tmpdir(), 'millrace-serving-'));
  const artifacts = join(folder, 'artifacts');
  const registry = new ToldRegistry(brokers);
  await registry.ensureTopics();
  const { background } = options;
  const rows = background && Background.encode({ features, rows: float32Bytes(background) }).finish();
  const backgroundSha256 = rows === undefined ? '' : await putArtifact(artifacts, rows);
  const endpoints = await Promise.all(
    Object.entries(models).map(async ([name, file]) =>
      endpointOf(
        name,
        features,
        await putArtifact(artifacts, await readFile(file)),
        backgroundSha256,
        options.endpoint,
      ),
    ),
  );
  for (const { route } of endpoints) {
    const tried = candidates[route.endpoint];
    if (tried === undefined) continue;
    const onnxSha256 = await putArtifact(artifacts, await readFile(tried.file));
    const version = { ...route.live, version: '2', onnxSha256 };
    route.candidate = { version, rolloutId: tried.rolloutId, step: 0, percent: 50, mirror: false };
  }
  const tell = (deleted: boolean): Promise<void> =>
    registry.tell(
      Object.assign({}, ...endpoints.map(({ definitions }) => definitions)) as Record<string, object>,
      endpoints.map(({ route }) => route),
      deleted,
    );
  await tell(false);
  const ofWorker = { ARTIFACTS_DIR: artifacts, ...workerSettings };
  const workers = await Promise.all(
    Array.from({ length: options.workers }, () => startRestartable('inference-worker', brokers, ofWorker)),
  );
  const gateway = await startRestartable('inference-gateway', brokers, {
    INFERENCE_WORKER_ADDRESSES: workers.map(({ grpcAddress }) => grpcAddress).join(','),
    FEATURE_STORE_ADDRESS: `127.0.0.1:${await freePort()}`, // nobody there
    DATA_DIR: join(folder, 'gateway'),
    ...gatewaySettings,
  });
  await untilServed(gateway.httpUrl, Object.keys(models));
  return {
    gateway,
    workers,
    folder,
    goLive: async (endpoint, version, file) => {
      const { route } = endpoints.find((one) => one.route.endpoint === endpoint)!;
      const onnxSha256 = await putArtifact(artifacts, await readFile(file));
      await registry.tell({}, [{ ...route, live: { ...route.live, version, onnxSha256 } }]);
    },
    stop: async () => {
      await Promise.all([gateway, ...workers].map((service) => service.kill('SIGTERM')));
      await tell(true);
      await registry.close();
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
  const start = (changed: Readonly<Record<string, string>> = {}) =>
    startService(name, brokers, { GRPC_LISTEN: grpcAddress, HTTP_LISTEN: httpAddress, ...settings, ...changed });
  let current = await start();
  return {
    grpcAddress,
    httpUrl: `http://${httpAddress}`,
    get current() {
      return current;
    },
    kill: (signal) => current.kill(signal),
    start: async (changed) => {
      current = await start(changed);
    },
  };
}

/** A stream, a feature service, a model, an endpoint, and version 1 live. */
function endpointOf(
  name: string,
  features: number,
  onnxSha256: string,
  backgroundSha256: string,
  more: Partial<EndpointSpec> = {},
): {
  definitions: Record<string, object>;
  route: { endpoint: string; model: string; live: ModelVersion; candidate?: Candidate };
} {
  const columns = Array.from({ length: features }, (_, i) => ({ name: `f${i}`, type: 'float64', nullable: true }));
  const schema = [{ name: 'id', type: 'string', nullable: true }, ...columns, { name: 'at', type: 'timestamp' }];
  const spine = { name: `${name}-rows`, eventTime: 'at', schema, derive: [] };
  const request = columns.map((column) => ({ name: column.name, expression: column.name }));
  const service = { name: `${name}-features`, spine: spine.name, items: [{ request }] };
  const definitions: Record<string, object> = {
    [`Stream/${spine.name}`]: spine,
    [`FeatureService/${service.name}`]: service,
    [`Model/${name}`]: { name, task: 'binary', features: service.name, label: { join: 'id' } },
    [`Endpoint/${name}`]: { name, model: name, log: { features: true }, ...more },
  };
  const live = ModelVersion.fromPartial({
    model: name,
    version: '1',
    onnxSha256,
    backgroundSha256,
    featureServiceDigest: featureServiceDigest(service as never, [], spine as never),
    features: columns.map((column) => column.name),
  });
  return { definitions, route: { endpoint: name, model: name, live } };
}
