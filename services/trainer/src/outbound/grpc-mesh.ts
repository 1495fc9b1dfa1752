import { createReadStream, readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { FeatureStoreClient, type DatasetSnapshot } from '#libs/contracts/generated/millrace/features/v1/features.js';
import { Reference } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import {
  type Artifact,
  ArtifactChunk,
  ModelVersion,
  RegistryClient,
  type Rollout,
  type Route,
  RunRecord,
} from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { Background } from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import type { EndpointSpec } from '#libs/definitions/definition-kinds.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { Definitions } from '#libs/messaging/follow-definitions.js';
import type { Peer } from '#libs/rpc/grpc-client.js';
import { fromServiceError } from '#libs/rpc/status.js';
import type { ArtifactStore } from '#libs/storage/artifact-store.js';
import { Mesh, type Registered } from '../domain/ports.js';
import { streamsOfModel } from '../domain/streams-of-model.js';
import {
  chosenFeatures,
  hasEnded,
  metricsOf,
  outputsOf,
  type Run,
  type RunPlan,
  type StepOutputs,
} from '../domain/run.js';

const callMs = 30_000;
const datasetMs = 600_000;
const patienceMs = 300_000;
const chunkBytes = 512 * 1024;

/** The registry and the feature store over gRPC. */
export class GrpcMesh extends Mesh {
  constructor(
    private readonly registry: Peer<RegistryClient>,
    private readonly features: Peer<FeatureStoreClient>,
    private readonly definitions: Definitions,
    private readonly artifacts: ArtifactStore,
    /** Of this project; '' = not known. */
    private readonly codeCommit: string,
  ) {
    super();
  }

  override async watermark({ model }: RunPlan): Promise<number> {
    const streams = streamsOfModel(this.definitions, model);
    const { positions } = await patiently(() => this.features.call((stub) => stub.getWatermarks, { streams }, callMs));
    const lowest = Math.min(...positions.map(({ watermarkMs }) => watermarkMs));
    if (!(lowest > 0))
      throw new MillraceError(
        'failed-precondition',
        `data_to_ms: not given, and there is no watermark of ${streams.join(', ')} yet`,
      );
    return lowest;
  }

  override async buildDataset(
    plan: RunPlan,
    window: { fromMs: number; toMs: number; validateFromMs: number },
    onProgress: (done: number, message: string) => void,
    signal: AbortSignal,
  ): Promise<StepOutputs['dataset']> {
    const snapshot = await patiently(async () => {
      let last: DatasetSnapshot | undefined;
      for await (const progress of this.features.stream(
        (stub) => stub.buildDataset,
        { model: plan.model.name, ...window, labelsUntilMs: window.toMs },
        datasetMs,
      )) {
        signal.throwIfAborted();
        onProgress(progress.rowsTotal === 0 ? 0 : progress.rowsDone / progress.rowsTotal, `${progress.rowsDone} rows`);
        last = progress.snapshot ?? last;
      }
      if (last === undefined)
        throw new MillraceError('unavailable', 'feature-store: the dataset came without a snapshot');
      return last;
    });
    return {
      sha256: snapshot.sha256,
      rows: snapshot.rows,
      features: snapshot.features,
      digest: snapshot.featureServiceDigest,
      fromMs: window.fromMs,
      toMs: window.toMs,
    };
  }

  override async liveVersion(model: string): Promise<{ version: ModelVersion; onnxPath: string } | undefined> {
    for (const endpoint of this.endpointsOf(model)) {
      const route = await this.route(endpoint.name);
      if (route.live === undefined) continue;
      await this.artifacts.read(route.live.onnxSha256); // checked against its address
      return { version: route.live, onnxPath: this.artifacts.path(route.live.onnxSha256) };
    }
    return undefined;
  }

  override async register(run: Run): Promise<Registered> {
    const { model } = run.plan;
    const [dataset, converted] = [outputsOf(run, 'dataset'), outputsOf(run, 'convert')];
    const artifact = await patiently(() => this.put(createReadStream(converted.onnx, { highWaterMark: chunkBytes })));
    if (artifact.sha256 !== converted.onnxSha256)
      throw new MillraceError('internal', `the ONNX file changed: ${artifact.sha256}, it was ${converted.onnxSha256}`);
    const [reference, background] = [readReference(run), readBackground(run)];
    const asked = ModelVersion.fromPartial({
      model: model.name,
      onnxSha256: artifact.sha256,
      featureService: model.features,
      featureServiceDigest: dataset.digest,
      features: [...chosenFeatures(run.plan.pipeline, dataset.features)],
      runId: run.runId,
      datasetSha256: dataset.sha256,
      metrics: finite(run),
      task: model.task,
      inputName: converted.input,
      outputName: converted.output,
      codeCommit: this.codeCommit,
      referenceSha256: await this.putIfThere(reference),
      backgroundSha256: await this.putIfThere(background),
    });
    const { version } = await patiently(() => this.registry.call((stub) => stub.createModelVersion, asked, callMs));
    await this.record(run); // who the run is for has to be known when its version is offered: they may not approve it
    const cause = `pipeline ${run.plan.pipeline.name} run ${run.runId}`;
    const live: string[] = [];
    const rollouts: Registered['rollouts'][number][] = [];
    for (const { name: endpoint } of this.endpointsOf(model.name)) {
      const rollout = await this.offer(endpoint, version, cause);
      if (rollout === undefined || rollout.state === 'live') live.push(endpoint);
      else rollouts.push({ id: rollout.rolloutId, endpoint, state: rollout.state });
    }
    return { version, live, rollouts };
  }

  /** undefined = it is live there already, which StartRollout refuses: so after a repetition of the step. */
  private async offer(endpoint: string, version: string, cause: string): Promise<Rollout | undefined> {
    const route = await this.route(endpoint);
    if (route.live?.version === version) return undefined;
    const request = { endpoint, version, cause, fromStep: 0 };
    return patiently(() => this.registry.call((stub) => stub.startRollout, request, callMs));
  }

  /** An endpoint that was defined a moment ago may not have its route yet. */
  private route(endpoint: string): Promise<Route> {
    return patiently(() => this.registry.call((stub) => stub.getRoute, { endpoint }, callMs), ['not-found']);
  }

  override async record(run: Run): Promise<void> {
    const { pipeline, model } = run.plan;
    const dataset = run.steps.find(({ name }) => name === 'dataset')?.outputs as Partial<StepOutputs['dataset']>;
    const params = Object.fromEntries(
      Object.entries(pipeline.train.params).map(([name, value]) => [name, String(value)]),
    );
    const record = RunRecord.fromPartial({
      runId: run.runId,
      pipeline: pipeline.name,
      model: model.name,
      state: run.state,
      params: { algorithm: pipeline.train.algorithm, ...params, ...whyAndOfWhat(run, dataset) },
      metrics: finite(run),
      datasetSha256: dataset.sha256 ?? '',
      codeCommit: this.codeCommit,
      startedMs: run.createdMs,
      finishedMs: hasEnded(run.state) ? Date.now() : 0,
    });
    await patiently(() => this.registry.call((stub) => stub.recordRun, record, callMs));
  }

  private endpointsOf(model: string): EndpointSpec[] {
    return [...this.definitions]
      .filter(([key, spec]) => key.startsWith('Endpoint/') && (spec as EndpointSpec).model === model)
      .map(([, spec]) => spec as EndpointSpec);
  }

  private async putIfThere(bytes: Buffer | undefined): Promise<string> {
    return bytes === undefined ? '' : (await patiently(() => this.put(Readable.from([bytes])))).sha256;
  }

  private put(file: Readable): Promise<Artifact> {
    return new Promise((resolve, reject) => {
      const call = this.registry.stub.putArtifact(
        this.registry.metadata,
        { deadline: Date.now() + datasetMs },
        (error, artifact) => {
          if (error) reject(fromServiceError(error, 'registry'));
          else resolve(artifact);
        },
      );
      file.on('data', (data) => call.write(ArtifactChunk.fromPartial({ data: data as Buffer })));
      file.on('end', () => call.end());
      file.on('error', (error) => {
        call.cancel();
        reject(error);
      });
    });
  }
}

/** Why a run is, for whom, and the event time of its training set: who asks later where a version comes from is told by these. */
function whyAndOfWhat(
  { reason, plan }: Run,
  { fromMs, toMs }: Partial<StepOutputs['dataset']>,
): Record<string, string> {
  return {
    reason,
    ...(plan.requestedBy === undefined ? {} : { requestedBy: plan.requestedBy }),
    ...(fromMs === undefined || toMs === undefined
      ? {}
      : { dataFrom: new Date(fromMs).toISOString(), dataTo: new Date(toMs).toISOString() }),
  };
}

/** The bytes of a millrace.monitor.v1.Reference; the evaluate step left its parts as JSON. */
function readReference(run: Run): Buffer | undefined {
  const file = outputsOf(run, 'evaluate').reference;
  if (file === undefined) return undefined;
  const { score, calibration } = JSON.parse(readFileSync(file, 'utf8')) as Pick<Reference, 'score' | 'calibration'>;
  const metrics = Object.fromEntries(Object.entries(finite(run)).filter(([name]) => name.startsWith('validate.')));
  return Buffer.from(Reference.encode(Reference.fromPartial({ score, calibration, metrics })).finish());
}

/** The bytes of a millrace.worker.v1.Background; the train step left its rows. */
function readBackground(run: Run): Buffer | undefined {
  const file = outputsOf(run, 'train').background;
  if (file === undefined) return undefined;
  const { features } = outputsOf(run, 'dataset');
  const background = { features: chosenFeatures(run.plan.pipeline, features).length, rows: readFileSync(file) };
  return Buffer.from(Background.encode(background).finish());
}

function finite(run: Run): Record<string, number> {
  return Object.fromEntries(Object.entries(metricsOf(run)).filter(([, value]) => Number.isFinite(value)));
}

/** Waits for a service that is away, at most five minutes. */
async function patiently<T>(call: () => Promise<T>, alsoPassing: readonly string[] = []): Promise<T> {
  const untilMs = Date.now() + patienceMs;
  for (let delayMs = 100; ; delayMs = Math.min(2_000, delayMs * 2)) {
    try {
      return await call();
    } catch (error) {
      const passes =
        error instanceof MillraceError && ['unavailable', 'deadline-exceeded', ...alsoPassing].includes(error.code);
      if (!passes || Date.now() > untilMs) throw error;
      await sleep(delayMs);
    }
  }
}
