import type { FeatureServiceSpec, FeatureViewSpec, Kind, ModelSpec, Specs } from './definition-kinds.js';

export interface Reference {
  readonly kind: Kind;
  readonly name: string;
}

/** What a definition names directly. */
export function referencesOf<K extends Kind>(kind: K, spec: Specs[K]): Reference[] {
  switch (kind) {
    case 'Source':
      return [{ kind: 'Stream', name: (spec as Specs['Source']).stream }];
    case 'FeatureView':
      return [{ kind: 'Stream', name: (spec as FeatureViewSpec).source }];
    case 'FeatureService': {
      const { spine, items } = spec as FeatureServiceSpec;
      const views = new Set(items.flatMap((item) => ('view' in item ? [item.view] : [])));
      return [{ kind: 'Stream', name: spine }, ...[...views].map((name) => ({ kind: 'FeatureView' as const, name }))];
    }
    case 'Model': {
      const { features, label } = spec as ModelSpec;
      return [
        { kind: 'FeatureService', name: features },
        { kind: 'Stream', name: label.stream },
      ];
    }
    case 'Pipeline':
    case 'Endpoint':
      return [{ kind: 'Model', name: (spec as Specs['Pipeline'] | Specs['Endpoint']).model }];
    case 'Monitor':
      return [{ kind: 'Endpoint', name: (spec as Specs['Monitor']).endpoint }];
    default:
      return [];
  }
}
