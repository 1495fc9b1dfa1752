import type { ModelVersion } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import {
  type FeatureServiceSpec,
  type FeatureViewSpec,
  featureNames,
  isTabular,
  type Kind,
  type ModelSpec,
  type Specs,
  type StreamSpec,
  type TabularModelSpec,
} from '#libs/definitions/definition-kinds.js';
import { featureServiceDigest } from '#libs/definitions/feature-service-digest.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { StoredDefinition } from './plan-changes.js';

type Definitions = ReadonlyMap<string, StoredDefinition>;

/** @throws MillraceError not-found, for one that was deleted too */
export function needDefinition<S extends Specs[Kind]>(definitions: Definitions, kind: Kind, name: string): S {
  const found = definitions.get(`${kind}/${name}`);
  if (found === undefined || found.deleted) throw new MillraceError('not-found', `there is no ${kind} ${name}`);
  return found.spec as S;
}

/**
 * A version as it is registered: of its model's feature service and, where that still means what it was trained on, with features of it.
 * @throws MillraceError invalid-argument
 */
export function checkVersion(version: ModelVersion, definitions: Definitions): void {
  const model = needDefinition<ModelSpec>(definitions, 'Model', version.model);
  if (!isTabular(model)) return checkTensors(version);
  if (version.upstream !== undefined)
    throw new MillraceError(
      'invalid-argument',
      `upstream: model ${version.model} is of task ${model.task}, and only versions of task tensors are served elsewhere`,
    );
  if (version.featureService !== model.features)
    throw new MillraceError(
      'invalid-argument',
      `feature_service: "${version.featureService}", model ${version.model} uses ${model.features}`,
    );
  if (version.featureServiceDigest === digestOfService(definitions, model.features))
    checkFeatures(version, model, definitions);
}

/**
 * A version that is to answer requests: the feature service is what it was trained on, and has its features.
 * @throws MillraceError failed-precondition, invalid-argument
 */
export function checkFits(version: ModelVersion, definitions: Definitions): void {
  const model = needDefinition<ModelSpec>(definitions, 'Model', version.model);
  if (!isTabular(model)) return checkTensors(version);
  const current = digestOfService(definitions, model.features);
  if (version.featureServiceDigest !== current)
    throw new MillraceError(
      'failed-precondition',
      `version ${version.version} of ${version.model} was trained on feature service ${version.featureService} ${version.featureServiceDigest.slice(0, 12)}, which is ${current.slice(0, 12)} now; train a new version`,
    );
  checkFeatures(version, model, definitions);
}

function checkTensors({ model, features, featureService, featureServiceDigest }: ModelVersion): void {
  if (features.length > 0 || featureService !== '' || featureServiceDigest !== '')
    throw new MillraceError(
      'invalid-argument',
      `features: model ${model} is of task tensors, whose versions read no features and have no feature service`,
    );
}

/** A pipeline may choose features: some of the service's, in its order, each once. */
function checkFeatures({ features }: ModelVersion, model: TabularModelSpec, definitions: Definitions): void {
  const names = featureNames(needDefinition<FeatureServiceSpec>(definitions, 'FeatureService', model.features));
  const chosen = new Set(features);
  if (features.length > 0 && names.filter((name) => chosen.has(name)).join() === features.join()) return;
  throw new MillraceError(
    'invalid-argument',
    `features: ${features.join(', ') || 'none'}; at least one of feature service ${model.features}, in its order: ${names.join(', ')}`,
  );
}

function digestOfService(definitions: Definitions, name: string): string {
  const service = needDefinition<FeatureServiceSpec>(definitions, 'FeatureService', name);
  const views = service.items.flatMap((item) =>
    'view' in item ? [needDefinition<FeatureViewSpec>(definitions, 'FeatureView', item.view)] : [],
  );
  const distinct = [...new Map(views.map((view) => [view.name, view])).values()];
  return featureServiceDigest(service, distinct, needDefinition<StreamSpec>(definitions, 'Stream', service.spine));
}
