import {
  featureNames,
  type FeatureServiceSpec,
  type FeatureViewSpec,
  type StreamSpec,
} from '#libs/definitions/definition-kinds.js';
import { formatDuration } from '#libs/definitions/duration.js';
import type { FeatureServiceView, FeatureView } from '../../views/features.view.js';

export function viewOf({ name, description, source, entity, ttlMs, features }: FeatureViewSpec): FeatureView {
  return {
    name,
    description: description ?? '',
    source,
    entity: entity.map((one) => (one.name === one.column ? one.name : `${one.name}: ${one.column}`)),
    ttl: formatDuration(ttlMs),
    features: features.map((feature) => ({
      name: feature.name,
      aggregation: feature.aggregation,
      expression: feature.value,
      window: formatDuration(feature.windowMs),
    })),
  };
}

/** @param spine undefined = its definition is not there: then nobody can ask */
export function serviceOf(service: FeatureServiceSpec, spine: StreamSpec | undefined): FeatureServiceView {
  const sources = service.items.flatMap((item) =>
    'request' in item
      ? item.request.map(({ expression }) => `request: ${expression}`)
      : item.features.map((feature) => {
          const entity = item.entity.map(({ name, expression }) => `${name} = ${expression}`).join(', ');
          return `${item.view}.${feature} of ${entity}`;
        }),
  );
  return {
    name: service.name,
    spine: service.spine,
    request: (spine?.schema ?? []).map(({ name, type }) => ({ name, type })),
    features: featureNames(service).map((name, i) => ({ name, from: sources[i] ?? '' })),
  };
}
