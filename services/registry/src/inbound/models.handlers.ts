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
import {
  type EndpointSpec,
  type FeatureServiceSpec,
  type FeatureViewSpec,
  featureNames,
  type Kind,
  type ModelSpec,
  type Specs,
  type StreamSpec,
} from '#libs/definitions/definition-kinds.js';
import { featureServiceDigest } from '#libs/definitions/feature-service-digest.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { ArtifactStore } from '#libs/storage/artifact-store.js';
import type { StoredDefinition } from '../domain/plan-changes.js';
import type { RegistryDatabase, RegistryTransaction } from '../outbound/registry-database.js';

const sha256 = /^[0-9a-f]{64}$/;
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
  async createVersion(version: ModelVersion): Promise<ModelVersion> {
    if (!sha256.test(version.onnxSha256) || !(await this.artifacts.has(version.onnxSha256)))
      throw new MillraceError(
        'failed-precondition',
        `onnx_sha256: artifact "${version.onnxSha256}" is not in the store; put it first`,
      );
    const created = await this.database.change(async (transaction) => {
      const existing = await transaction.versions(version.model);
      const same = existing.find(
        ({ runId, onnxSha256 }) => runId === version.runId && onnxSha256 === version.onnxSha256,
      );
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
      return made;
    });
    this.onChange();
    return created;
  }

  async listVersions({ model }: ListModelVersionsRequest): Promise<ListModelVersionsResponse> {
    return { versions: await this.database.read((transaction) => transaction.versions(model)) };
  }

  async setAlias({ model, version, alias }: SetAliasRequest): Promise<ModelVersion> {
    if (!aliasPattern.test(alias))
      throw new MillraceError(
        'invalid-argument',
        `alias: "${alias}"; lower case letters, digits and '-', beginning with a letter`,
      );
    const changed = await this.database.change(async (transaction) => {
      await needVersion(transaction, model, version);
      await transaction.writeAlias(model, alias, version);
      const now = await needVersion(transaction, model, version);
      await publishVersion(transaction, now);
      return now;
    });
    this.onChange();
    return changed;
  }

  async setLive({ endpoint, version, cause }: SetLiveRequest): Promise<Route> {
    const route = await this.database.change(async (transaction) => {
      const definitions = await transaction.definitions();
      const { model } = need<EndpointSpec>(definitions, 'Endpoint', endpoint);
      const live = await needVersion(transaction, model, version);
      const current = digestOfService(definitions, need<ModelSpec>(definitions, 'Model', model).features);
      if (live.featureServiceDigest !== current)
        throw new MillraceError(
          'failed-precondition',
          `version ${version} of ${model} was trained on feature service ${live.featureService} ${live.featureServiceDigest.slice(0, 12)}, which is ${current.slice(0, 12)} now; train a new version`,
        );
      const before = await transaction.route(endpoint);
      if (before?.live?.version === version && before.model === model) return before;
      const made = Route.fromPartial({
        endpoint,
        model,
        live,
        cause,
        generation: (before?.generation ?? 0) + 1,
        changedMs: Date.now(),
        deleted: false,
      });
      await transaction.writeRoute(made);
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

type Definitions = ReadonlyMap<string, StoredDefinition>;

function need<S extends Specs[Kind]>(definitions: Definitions, kind: Kind, name: string): S {
  const found = definitions.get(`${kind}/${name}`);
  if (found === undefined || found.deleted) throw new MillraceError('not-found', `there is no ${kind} ${name}`);
  return found.spec as S;
}

async function needVersion(transaction: RegistryTransaction, model: string, version: string): Promise<ModelVersion> {
  const versions = await transaction.versions(model);
  const found = versions.find((one) => one.version === version);
  if (found === undefined)
    throw new MillraceError(
      'not-found',
      `model ${model} has no version "${version}"; it has ${versions.map((one) => one.version).join(', ') || 'none'}`,
    );
  return found;
}

function checkVersion(version: ModelVersion, definitions: Definitions): void {
  const model = need<ModelSpec>(definitions, 'Model', version.model);
  const names = featureNames(need<FeatureServiceSpec>(definitions, 'FeatureService', model.features));
  if (version.featureService !== model.features)
    throw new MillraceError(
      'invalid-argument',
      `feature_service: "${version.featureService}", model ${version.model} uses ${model.features}`,
    );
  if (
    version.featureServiceDigest === digestOfService(definitions, model.features) &&
    version.features.join() !== names.join()
  )
    throw new MillraceError(
      'invalid-argument',
      `features: ${version.features.length} names, feature service ${model.features} has ${names.length}: ${names.join(', ')}`,
    );
}

function digestOfService(definitions: Definitions, name: string): string {
  const service = need<FeatureServiceSpec>(definitions, 'FeatureService', name);
  const views = service.items.flatMap((item) =>
    'view' in item ? [need<FeatureViewSpec>(definitions, 'FeatureView', item.view)] : [],
  );
  const distinct = [...new Map(views.map((view) => [view.name, view])).values()];
  return featureServiceDigest(service, distinct, need<StreamSpec>(definitions, 'Stream', service.spine));
}

async function publishVersion(transaction: RegistryTransaction, version: ModelVersion): Promise<void> {
  await transaction.publish(
    'modelsChanged',
    `${version.model}@${version.version}`,
    ModelVersionChanged.encode({ version }).finish(),
  );
}
