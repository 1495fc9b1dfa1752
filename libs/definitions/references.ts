import {
  type FeatureServiceSpec,
  type FeatureViewSpec,
  isTabular,
  type Kind,
  type ModelSpec,
  type Specs,
} from './definition-kinds.js';

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
      const model = spec as ModelSpec;
      if (!isTabular(model)) return [];
      const { features, label } = model;
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
