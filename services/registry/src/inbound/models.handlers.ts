import { ModelVersionChanged } from '#libs/contracts/generated/millrace/control/v1/control.js';
import {
  type GetRouteRequest,
  type GetRunRequest,
  type ListModelVersionsRequest,
  type ListModelVersionsResponse,
  type ModelVersion,
  Route,
  type RunRecord,
  type SetAliasRequest,
  type SetLiveRequest,
} from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { EndpointSpec } from '#libs/definitions/definition-kinds.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { CallContext } from '#libs/rpc/served-context.js';
import type { ArtifactStore } from '#libs/storage/artifact-store.js';
import { refuseUnapproved } from '../domain/approval-need.js';
import { aliasDone, liveDone, versionDone } from '../domain/done.js';
import { type Mover, supersede } from '../domain/rollout-machine.js';
import { checkUpstream, servedFrom } from '../domain/upstream.js';
import { checkFits, checkVersion, needDefinition } from '../domain/version-fit.js';
import type { RegistryDatabase, RegistryTransaction } from '../outbound/registry-database.js';

const sha256 = /^[0-9a-f]{64}$/;
/** A worker holds a model's file and its session in memory. */
const maxModelBytes = 512 * 2 ** 20;
const aliasPattern = /^[a-z][a-z0-9-]{0,62}$/;

/** Runs, model versions, and what is live. */
export class ModelsHandlers {
  constructor(
    private readonly database: RegistryDatabase,
    private readonly artifacts: ArtifactStore,
    private readonly onChange: () => void,
  ) {}

  async recordRun(run: RunRecord): Promise<RunRecord> {
    if (run.runId === '') throw new MillraceError('invalid-argument', 'run_id: empty');
    await this.database.change((transaction) => transaction.writeRun(run));
    return run;
  }

  async getRun({ runId }: GetRunRequest): Promise<RunRecord> {
    const run = await this.database.read((transaction) => transaction.run(runId));
    if (run === undefined) throw new MillraceError('not-found', `there is no run ${runId}`);
    return run;
  }

  /** The same run with the same bytes gives the version that it gave before. */
  async createVersion(version: ModelVersion, { caller }: CallContext): Promise<ModelVersion> {
    if (version.upstream !== undefined) checkUpstream(version, version.upstream);
    else await this.checkFile(version);
    const created = await this.database.change(async (transaction) => {
      const existing = await transaction.versions(version.model);
      const same = existing.find((one) => one.runId === version.runId && servedFrom(one) === servedFrom(version));
      if (same !== undefined) return same;
      checkVersion(version, await transaction.definitions());
      const made = {
        ...version,
        version: String(Math.max(0, ...existing.map((one) => Number(one.version))) + 1),
        aliases: [],
        createdMs: Date.now(),
      };
      await transaction.insertVersion(made);
      await publishVersion(transaction, made);
      await transaction.audit(versionDone(caller.name, made));
      return made;
    });
    this.onChange();
    return created;
  }

  private async checkFile({ onnxSha256 }: ModelVersion): Promise<void> {
    const sizeBytes = sha256.test(onnxSha256) ? await this.artifacts.sizeOf(onnxSha256) : undefined;
    if (sizeBytes === undefined)
      throw new MillraceError(
        'failed-precondition',
        `onnx_sha256: artifact "${onnxSha256}" is not in the store; put it first`,
      );
    if (sizeBytes < 1 || sizeBytes > maxModelBytes)
      throw new MillraceError(
        'invalid-argument',
        `onnx_sha256: the artifact has ${sizeBytes} bytes; a model file has 1 to ${maxModelBytes}`,
      );
  }

  async listVersions({ model }: ListModelVersionsRequest): Promise<ListModelVersionsResponse> {
    return { versions: await this.database.read((transaction) => transaction.versions(model)) };
  }

  async setAlias({ model, version, alias }: SetAliasRequest, { caller }: CallContext): Promise<ModelVersion> {
    if (!aliasPattern.test(alias))
      throw new MillraceError(
        'invalid-argument',
        `alias: "${alias}"; lower case letters, digits and '-', beginning with a letter`,
      );
    const changed = await this.database.change(async (transaction) => {
      await transaction.version(model, version);
      await transaction.writeAlias(model, alias, version);
      const now = await transaction.version(model, version);
      await publishVersion(transaction, now);
      await transaction.audit(aliasDone(caller.name, model, version, alias));
      return now;
    });
    this.onChange();
    return changed;
  }

  /** Past a rollout that is under way, which is superseded. What was live before can be gone back to. */
  async setLive({ endpoint, version, cause }: SetLiveRequest, { caller }: CallContext): Promise<Route> {
    const mover = { by: caller.name, cause: `set live: version ${version}${cause && `, ${cause}`}`, atMs: Date.now() };
    const route = await this.database.change(async (transaction) => {
      const definitions = await transaction.definitions();
      const spec = needDefinition<EndpointSpec>(definitions, 'Endpoint', endpoint);
      const { model } = spec;
      const live = await transaction.version(model, version);
      checkFits(live, definitions);
      const before = await transaction.route(endpoint);
      if (before?.live?.version === version && before.model === model) return before;
      refuseUnapproved(definitions, spec, live);
      await supersedeUnderWay(transaction, endpoint, mover);
      const made = Route.fromPartial({
        endpoint,
        model,
        live,
        cause,
        generation: (before?.generation ?? 0) + 1,
        changedMs: mover.atMs,
        ...(before?.live === undefined ? {} : { previous: before.live }),
      });
      await transaction.writeRoute(made);
      await transaction.audit(liveDone(caller.name, made));
      return made;
    });
    this.onChange();
    return route;
  }

  async getRoute({ endpoint }: GetRouteRequest): Promise<Route> {
    const route = await this.database.read((transaction) => transaction.route(endpoint));
    if (route === undefined || route.deleted) throw new MillraceError('not-found', `there is no endpoint ${endpoint}`);
    return route;
  }
}

async function supersedeUnderWay(transaction: RegistryTransaction, endpoint: string, mover: Mover): Promise<void> {
  const rollout = await transaction.rolloutUnderWay(endpoint);
  if (rollout !== undefined) await transaction.writeRollout(supersede(rollout, mover));
}

async function publishVersion(transaction: RegistryTransaction, version: ModelVersion): Promise<void> {
  await transaction.publish(
    'modelsChanged',
    `${version.model}@${version.version}`,
    ModelVersionChanged.encode({ version }).finish(),
  );
}
