import type {
  FeatureServiceSpec,
  FeatureViewSpec,
  Kind,
  TabularModelSpec,
  Specs,
} from '#libs/definitions/definition-kinds.js';

/** The streams that the model's features and labels come from, as they are defined now. */
export function streamsOfModel(definitions: ReadonlyMap<string, Specs[Kind]>, model: TabularModelSpec): string[] {
  const service = definitions.get(`FeatureService/${model.features}`) as FeatureServiceSpec | undefined;
  const views =
    service?.items.flatMap((item) =>
      'view' in item ? [(definitions.get(`FeatureView/${item.view}`) as FeatureViewSpec | undefined)?.source] : [],
    ) ?? [];
  return [...new Set([service?.spine, model.label.stream, ...views])].filter((stream) => stream !== undefined);
}
