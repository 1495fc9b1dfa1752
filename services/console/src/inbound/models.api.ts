import { Controller, Get, Inject, Query, Req } from '@nestjs/common';
import type { AuthenticatedRequest } from '#libs/boot/http-edge.js';
import type { ModelVersion, Route } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { Run } from '#libs/contracts/generated/millrace/trainer/v1/trainer.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { LiveView, ModelsView, RunDetailView, RunView, VersionView } from '../../views/models.view.js';
import { type Mesh, MeshPeers } from '../outbound/mesh-peers.client.js';
import { textOf } from './query-values.js';

const mostRuns = 200;
const mostCompared = 6;
const mostEndpoints = 100;

/** What the Models page asks. */
@Controller('api/models')
export class ModelsApi {
  constructor(@Inject(MeshPeers) private readonly peers: MeshPeers) {}

  @Get()
  async models(@Req() request: AuthenticatedRequest): Promise<ModelsView> {
    const mesh = this.peers.as(request);
    const [{ versions }, live] = await Promise.all([
      mesh.ask('registry', (stub) => stub.listModelVersions, { model: '' }),
      liveVersions(mesh),
    ]);
    return { versions: versions.map(versionView), live };
  }

  /** The newest 200. */
  @Get('runs')
  async runs(@Req() request: AuthenticatedRequest): Promise<RunView[]> {
    const asked = { pipeline: '', limit: mostRuns };
    const { runs } = await this.peers.as(request).ask('trainer', (stub) => stub.listRuns, asked);
    return runs.map(runView);
  }

  /** At most 6 runs, `ids` comma-separated. */
  @Get('compare')
  async compare(@Req() request: AuthenticatedRequest, @Query('ids') ids: unknown): Promise<RunDetailView[]> {
    const asked = [...new Set(textOf(ids).split(','))].filter((id) => id !== '');
    if (asked.length === 0 || asked.length > mostCompared)
      throw new MillraceError('invalid-argument', `ids: ${asked.length} runs, from 1 to ${mostCompared} are compared`);
    const mesh = this.peers.as(request);
    return Promise.all(asked.map((runId) => detailOf(mesh, runId)));
  }
}

async function liveVersions(mesh: Mesh): Promise<LiveView[]> {
  const asked = { kind: 'Endpoint', name: '' };
  const { definitions } = await mesh.ask('registry', (stub) => stub.listDefinitions, asked);
  const names = definitions.filter(({ deleted }) => !deleted).map(({ name }) => name);
  const routes = await Promise.all(names.slice(0, mostEndpoints).map((endpoint) => routeOf(mesh, endpoint)));
  return routes.flatMap((route) =>
    route === undefined
      ? []
      : [
          {
            endpoint: route.endpoint,
            model: route.model,
            version: route.live?.version ?? '',
            candidate: route.candidate?.version?.version ?? '',
          },
        ],
  );
}

async function routeOf(mesh: Mesh, endpoint: string): Promise<Route | undefined> {
  return mesh.ask('registry', (stub) => stub.getRoute, { endpoint }).catch(absent);
}

async function detailOf(mesh: Mesh, runId: string): Promise<RunDetailView> {
  const [run, record] = await Promise.all([
    mesh.ask('trainer', (stub) => stub.getRun, { runId }),
    // Params are in the registry's record, which is made once the run has begun.
    mesh.ask('registry', (stub) => stub.getRun, { runId }).catch(absent),
  ]);
  return {
    ...runView(run),
    params: record?.params ?? {},
    datasetSha256: run.datasetSha256,
    codeCommit: record?.codeCommit ?? '',
    gates: run.steps.find(({ name }) => name === 'gates')?.message ?? '',
    steps: run.steps.map(({ name, state, message }) => ({ name, state, message })),
  };
}

function absent(error: unknown): undefined {
  if (error instanceof MillraceError && error.code === 'not-found') return undefined;
  throw error;
}

function versionView(version: ModelVersion): VersionView {
  const { model, aliases, createdMs, runId, features, codeCommit, datasetSha256, onnxSha256, metrics } = version;
  const digests = { codeCommit, datasetSha256, onnxSha256 };
  return { model, version: version.version, aliases, createdMs, runId, features: features.length, metrics, ...digests };
}

function runView(run: Run): RunView {
  const { runId, pipeline, model, state, modelVersion, reason, error, createdMs, metrics } = run;
  return {
    runId,
    pipeline,
    model,
    state,
    version: modelVersion,
    reason,
    error,
    createdMs,
    durationMs: durationOf(run),
    metrics,
  };
}

function durationOf({ state, steps }: Run): number | null {
  const started = steps.map(({ startedMs }) => startedMs).filter((ms) => ms > 0);
  if (started.length === 0) return null;
  const running = state === 'running' || state === 'pending';
  const end = running ? Date.now() : Math.max(...steps.map(({ finishedMs }) => finishedMs));
  return Math.max(0, end - Math.min(...started));
}
