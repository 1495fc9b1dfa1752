import {
  type Definition,
  type ModelVersion,
  RegistryClient,
  type Rollout,
  type RunRecord,
} from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { FeatureServiceSpec, FeatureViewSpec, StreamSpec } from '#libs/definitions/definition-kinds.js';
import { featureServiceDigest } from '#libs/definitions/feature-service-digest.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { Peer } from '#libs/rpc/grpc-client.js';
import type { FeatureDefinitions } from '../domain/trace-sources.js';

const callMs = 10_000;
const maxRollouts = 1_000;

/** What the registry knows of a version: by what it was defined, made and brought live. */
export class RegistryReader {
  constructor(private readonly registry: Pick<Peer<RegistryClient>, 'call'>) {}

  async version(model: string, version: string): Promise<ModelVersion | undefined> {
    const { versions } = await this.registry.call((stub) => stub.listModelVersions, { model }, callMs);
    return versions.find((one) => one.version === version);
  }

  /** Undefined = the registry has no record of it. */
  async run(runId: string): Promise<RunRecord | undefined> {
    try {
      return await this.registry.call((stub) => stub.getRun, { runId }, callMs);
    } catch (error) {
      if (error instanceof MillraceError && error.code === 'not-found') return undefined;
      throw error;
    }
  }

  /** Those that offered this version to the endpoint, oldest first, among its newest 1,000. */
  async rollouts(endpoint: string, version: string): Promise<Rollout[]> {
    const request = { endpoint, limit: maxRollouts };
    const { rollouts } = await this.registry.call((stub) => stub.listRollouts, request, callMs);
    return rollouts.filter(({ candidate }) => candidate?.version === version).toReversed();
  }

  /** A feature service as it is defined now. Undefined = there is none of this name. */
  async featureService(name: string): Promise<FeatureDefinitions | undefined> {
    const { definitions } = await this.registry.call((stub) => stub.listDefinitions, { kind: '', name: '' }, callMs);
    const find = (kind: string, named: string) => definitions.find((one) => one.kind === kind && one.name === named);
    const service = find('FeatureService', name);
    if (service === undefined) return undefined;
    const spec = specOf<FeatureServiceSpec>(service);
    const used = new Set(spec.items.flatMap((item) => ('view' in item ? [item.view] : [])));
    const views = [...used].flatMap((view) => find('FeatureView', view) ?? []);
    const spine = find('Stream', spec.spine);
    const digest = spine && featureServiceDigest(spec, views.map(specOf<FeatureViewSpec>), specOf<StreamSpec>(spine));
    return { service, views, spine, digest };
  }
}

function specOf<S>(definition: Definition): S {
  return JSON.parse(definition.specJson.toString()) as S;
}
