import { createClient } from '@clickhouse/client';
import { type ModelVersion, RegistryClient } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import {
  InferBatch,
  InferenceWorkerClient,
  type InferResult,
} from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import { featureNames, type FeatureServiceSpec } from '#libs/definitions/definition-kinds.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { Peer } from '#libs/rpc/grpc-client.js';
import { fromServiceError } from '#libs/rpc/status.js';
import { float32Bytes } from '#libs/tensors/tensor-codec.js';
import { connectMesh, withPeer } from '../connection.js';
import type { OutputOptions } from '../output.js';
import { showExplanation } from '../show-explanation.js';

const deadlineMs = 60_000;

interface Logged {
  readonly endpoint: string;
  readonly model: string;
  readonly version: string;
  readonly service: string;
  readonly score: number;
  readonly fallback: boolean;
  /** NaN = the feature has no value. */
  readonly features: readonly number[];
}

/**
 * Explains a logged prediction anew: by the version that answered it, of the vector that it was made of. Nothing is predicted or logged for it.
 * @throws MillraceError not-found, failed-precondition (it was not made by a model, its vector was not logged, its version has no background), unavailable
 */
export async function explainPrediction(predictionId: string, options: OutputOptions): Promise<void> {
  const logged = await readLogged(predictionId);
  if (logged.fallback) throw cannot(predictionId, 'the declared fallback answered it, no model did');
  if (logged.features.length === 0) throw cannot(predictionId, 'its vector was not logged');
  const { version, names } = await withPeer(RegistryClient, 'registry', (registry) => versionOf(registry, logged));
  if (version.backgroundSha256 === '')
    throw cannot(
      predictionId,
      `version ${version.version} was registered without background rows; train a new version`,
    );
  const places = version.features.map((name) => names.indexOf(name));
  if (names.length !== logged.features.length || places.includes(-1))
    throw cannot(predictionId, `its feature service ${logged.service} is defined otherwise now`);
  const values = places.map((place) => logged.features[place]!);
  const { contributions, baseValue, explainedBy } = await withPeer(
    InferenceWorkerClient,
    'inference-worker',
    (worker) => ask(worker, version, values),
  );
  showExplanation(
    {
      endpoint: logged.endpoint,
      version: version.version,
      predictionId,
      score: logged.score,
      by: explainedBy,
      baseValue,
      contributions: version.features.map((feature, i) => {
        const value = Number.isNaN(values[i]) ? null : values[i]!;
        return { feature, value, contribution: contributions.readDoubleLE(i * 8) };
      }),
    },
    options,
  );
}

function cannot(id: string, why: string): MillraceError {
  return new MillraceError('failed-precondition', `prediction ${id} cannot be explained: ${why}`);
}

async function readLogged(predictionId: string): Promise<Logged> {
  const client = createClient({ url: connectMesh().clickhouseUrl, request_timeout: deadlineMs });
  try {
    const result = await client.query({
      query: find,
      format: 'JSONEachRow',
      query_params: { id: predictionId },
      clickhouse_settings: { readonly: '2', max_execution_time: 60 },
    });
    const [row] = await result.json<Omit<Logged, 'features'> & { texts: string[] }>();
    if (row === undefined) throw new MillraceError('not-found', `no prediction ${predictionId} is in the log`);
    return { ...row, features: row.texts.map((text) => denormals[text] ?? Number(text)) };
  } finally {
    await client.close();
  }
}

const denormals: Readonly<Record<string, number>> = { nan: Number.NaN, inf: Infinity, '-inf': -Infinity };

// As texts, which are exact and know NaN and infinities; JSON's numbers do not.
const find = `SELECT endpoint, model, model_version AS version, feature_service AS service,
  toFloat64(score) AS score, fallback, arrayMap(x -> toString(x), features) AS texts
FROM monitoring.predictions WHERE prediction_id = {id: String} LIMIT 1`;

/** A vector is logged whole, and a version may read some of it; one that a caller gave is as the version reads it. */
async function versionOf(
  registry: Peer<RegistryClient>,
  { model, version, service, features }: Logged,
): Promise<{ version: ModelVersion; names: readonly string[] }> {
  const { versions } = await registry.call((stub) => stub.listModelVersions, { model }, deadlineMs);
  const found = versions.find((one) => one.version === version);
  if (found === undefined) throw new MillraceError('not-found', `model ${model} has no version ${version}`);
  if (found.features.length === features.length) return { version: found, names: found.features };
  const asked = { kind: 'FeatureService', name: service };
  const { definitions } = await registry.call((stub) => stub.listDefinitions, asked, deadlineMs);
  const [definition] = definitions;
  if (definition === undefined) throw new MillraceError('not-found', `there is no FeatureService ${service}`);
  return { version: found, names: featureNames(JSON.parse(definition.specJson.toString()) as FeatureServiceSpec) };
}

function ask(
  worker: Peer<InferenceWorkerClient>,
  version: ModelVersion,
  values: readonly number[],
): Promise<InferResult> {
  const { onnxSha256, backgroundSha256 } = version;
  const input = float32Bytes(Float32Array.from(values));
  const fields = { batchId: 1, onnxSha256, backgroundSha256, rows: 1, features: values.length, input };
  const stream = worker.stub.infer(worker.metadata, { deadline: Date.now() + deadlineMs });
  return new Promise((resolve, reject) => {
    stream.on('data', (result: InferResult) => {
      if (result.batchId === 0) return; // the worker is about to stop, and answers this first
      if (result.errorCode === '') resolve(result);
      else reject(new MillraceError('unavailable', `inference-worker: ${result.errorCode}: ${result.errorMessage}`));
    });
    stream.on('error', (error) => reject(fromServiceError(error, 'inference-worker')));
    stream.on('end', () => reject(new MillraceError('unavailable', 'inference-worker: the stream ended')));
    stream.end(InferBatch.fromPartial({ ...fields, explain: true, timeoutMs: deadlineMs }));
  });
}
