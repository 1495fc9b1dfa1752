import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import { ensureTrainingPython } from '#deploy/local/launcher/training-python.js';
import { ModelVersion } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { Background } from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import { featureServiceDigest } from '#libs/definitions/feature-service-digest.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { freePort, type ServiceProcess, startService } from '#libs/testing/service-process.js';
import { putArtifact, ToldRegistry, untilServed } from '#libs/testing/told-registry.js';

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

/** Resolves when every endpoint is live. */
export async function startExplainedBench(): Promise<ExplainedBench> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-explained-'));
  const training = await ensureTrainingPython(() => undefined);
  const script = join(projectRoot(), 'libs/onnx/test/make_models.py');
  execFileSync(training, ['-W', 'ignore', script, join(projectRoot(), 'services/trainer/python'), folder]);
  const put = (bytes: Uint8Array): Promise<string> => putArtifact(join(folder, 'artifacts'), bytes);
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
  const registry = new ToldRegistry(brokers);
  await registry.ensureTopics();
  const definitions = Object.assign({}, ...endpoints.map((one) => one.definitions)) as Record<string, object>;
  const routes = endpoints.map(({ live }) => ({ endpoint: live.model, model: live.model, live }));
  await registry.tell(definitions, routes);
  const worker = await startService('inference-worker', brokers, { ARTIFACTS_DIR: join(folder, 'artifacts') });
  const gateway = await startService('inference-gateway', brokers, {
    FEATURE_STORE_ADDRESS: `127.0.0.1:${await freePort()}`,
    INFERENCE_WORKER_ADDRESSES: worker.grpcAddress,
    DATA_DIR: join(folder, 'gateway'),
  });
  await untilServed(gateway.httpUrl, [trees, logistic, bare]);
  const stop = async (): Promise<void> => {
    await Promise.all([gateway.kill('SIGTERM'), worker.kill('SIGTERM')]);
    await registry.tell(definitions, routes, true);
    await registry.close();
    rmSync(folder, { recursive: true, force: true });
  };
  return { gateway, trees, logistic, bare, folder, stop };
}
