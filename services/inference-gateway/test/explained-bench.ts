import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import { ensureTrainingPython } from '#deploy/local/launcher/training-python.js';
import { DefinitionChanged } from '#libs/contracts/generated/millrace/control/v1/control.js';
import { ModelVersion, Route } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { Background } from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import { featureServiceDigest } from '#libs/definitions/feature-service-digest.js';
import { KafkaMessageLog } from '#libs/messaging/kafka-message-log.js';
import { Wiring } from '#libs/messaging/wiring.js';
import { ArtifactStore } from '#libs/storage/artifact-store.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { Logger } from '#libs/telemetry/logger.js';
import { freePort, type ServiceProcess, startService, token } from '#libs/testing/service-process.js';
import { until } from '#libs/testing/until.js';

/** A real gateway and a real worker as processes of their own, on models that the trainer's code has just made. Vectors are given whole, so there is no feature store. */
export interface ExplainedBench {
  readonly gateway: ServiceProcess;
  /** Endpoints: LightGBM, logistic regression, and LightGBM without a background. */
  readonly trees: string;
  readonly logistic: string;
  readonly bare: string;
  /** Where the models, `background.f32` and `rows.f32` of 60 rows lie. */
  readonly folder: string;
  stop(): Promise<void>;
}

export const width = 8;
export const featureNames = Array.from({ length: width }, (_, i) => `f${i}`);

function definitionsOf(id: string): Record<string, object> {
  const column = (name: string, type: string) => ({ name, type, nullable: type === 'float64' });
  const request = featureNames.map((name) => ({ name, expression: `x${name}` }));
  const columns = featureNames.map((name) => column(`x${name}`, 'float64'));
  const schema = [column('key', 'string'), ...columns, column('at', 'timestamp')];
  return {
    [`Stream/${id}-asked`]: { name: `${id}-asked`, eventTime: 'at', schema, derive: [] },
    [`FeatureService/${id}-features`]: { name: `${id}-features`, spine: `${id}-asked`, items: [{ request }] },
    [`Model/${id}`]: { name: id, task: 'binary', features: `${id}-features`, label: { join: 'key' } },
    [`Endpoint/${id}`]: { name: id, model: id, log: { features: true } },
  };
}

async function putter(folder: string): Promise<(bytes: Uint8Array) => Promise<string>> {
  const store = new ArtifactStore(folder);
  const chunks = async function* (bytes: Uint8Array) {
    yield bytes;
  };
  return async (bytes) => (await store.put(chunks(bytes), 100_000_000)).sha256;
}

/** Resolves when every endpoint is live. */
export async function startExplainedBench(): Promise<ExplainedBench> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-explained-'));
  const training = await ensureTrainingPython(() => undefined);
  const script = join(projectRoot(), 'libs/onnx/test/make_models.py');
  execFileSync(training, ['-W', 'ignore', script, join(projectRoot(), 'services/trainer/python'), folder]);
  const put = await putter(join(folder, 'artifacts'));
  const rows = readFileSync(join(folder, 'background.f32'));
  const background = await put(Background.encode({ features: width, rows }).finish());
  const [lightgbm, regression] = await Promise.all(
    ['lightgbm-binary', 'sklearn-logistic-binary'].map((name) => put(readFileSync(join(folder, `${name}.onnx`)))),
  );

  const id = `explain-${randomUUID().slice(0, 8)}`;
  const [trees, logistic, bare] = [`${id}-trees`, `${id}-logistic`, `${id}-bare`];
  const of = (model: string, onnxSha256: string, backgroundSha256: string) => {
    const definitions = definitionsOf(model);
    const [service, spine] = [definitions[`FeatureService/${model}-features`], definitions[`Stream/${model}-asked`]];
    const digest = featureServiceDigest(service as never, [], spine as never);
    const given = { model, version: '1', onnxSha256, backgroundSha256, features: featureNames };
    return { definitions, live: ModelVersion.fromPartial({ ...given, featureServiceDigest: digest }) };
  };
  const endpoints = [of(trees, lightgbm!, background), of(logistic, regression!, background), of(bare, lightgbm!, '')];

  const brokers = getTestInfrastructure().KAFKA_BROKERS;
  const log = new KafkaMessageLog('registry', brokers.split(','), new Wiring(), new Logger('registry', 'error'));
  const topics = [
    'definitionsChanged',
    'routesChanged',
    'modelsChanged',
    'predictionsLogged',
    'auditRecorded',
  ] as const;
  await log.ensureTopics(topics.map((topic) => ({ id: topic })));
  const publish = async (deleted: boolean): Promise<void> => {
    const record = (key: string, value: Uint8Array) => ({
      key: Buffer.from(key),
      value: Buffer.from(value),
      headers: {},
    });
    const defined = endpoints.flatMap(({ definitions }) =>
      Object.entries(definitions).map(([key, spec]) => {
        const definition = { specJson: Buffer.from(JSON.stringify(spec)), deleted };
        return record(key, DefinitionChanged.encode(DefinitionChanged.fromPartial({ definition })).finish());
      }),
    );
    await log.publisher('definitionsChanged').publish(defined);
    const routed = endpoints.map(({ live }) =>
      record(
        live.model,
        Route.encode(Route.fromPartial({ endpoint: live.model, model: live.model, live, deleted })).finish(),
      ),
    );
    await log.publisher('routesChanged').publish(routed);
  };
  await publish(false);
  const worker = await startService('inference-worker', brokers, { ARTIFACTS_DIR: join(folder, 'artifacts') });
  const gateway = await startService('inference-gateway', brokers, {
    FEATURE_STORE_ADDRESS: `127.0.0.1:${await freePort()}`,
    INFERENCE_WORKER_ADDRESSES: worker.grpcAddress,
    DATA_DIR: join(folder, 'gateway'),
  });
  const isReady = async (name: string): Promise<boolean> => {
    const headers = { authorization: `Bearer ${token}` };
    return (await fetch(`${gateway.httpUrl}/v2/models/${name}/ready`, { headers })).status === 200;
  };
  await until(
    async () => (await Promise.all([trees, logistic, bare].map(isReady))).every(Boolean),
    'every endpoint is live',
  );
  const stop = async (): Promise<void> => {
    await Promise.all([gateway.kill('SIGTERM'), worker.kill('SIGTERM')]);
    await publish(true);
    await log.close();
    rmSync(folder, { recursive: true, force: true });
  };
  return { gateway, trees, logistic, bare, folder, stop };
}
