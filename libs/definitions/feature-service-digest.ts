import { digestOf } from './canonical-json.js';
import type { FeatureServiceSpec, FeatureViewSpec, StreamSpec } from './definition-kinds.js';

/**
 * Names what a vector means: changes when the service, one of its views or the shape of its spine changes, and not with descriptions. A model version is bound to it.
 * @param views those that the service uses; their order does not matter
 */
export function featureServiceDigest(
  service: FeatureServiceSpec,
  views: readonly FeatureViewSpec[],
  spine: StreamSpec,
): string {
  const used = new Set(service.items.flatMap((item) => ('view' in item ? [item.view] : [])));
  const meaning = views
    .filter(({ name }) => used.has(name))
    .map(({ name, source, entity, features }) => ({ name, source, entity, features }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  return digestOf({
    name: service.name,
    items: service.items,
    views: meaning,
    spine: {
      name: spine.name,
      eventTime: spine.eventTime,
      schema: spine.schema.map(({ name, type }) => ({ name, type })),
      derive: spine.derive,
    },
  });
}
