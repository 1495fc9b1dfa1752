import { digestOf } from '#libs/definitions/canonical-json.js';
import {
  type FeatureServiceSpec,
  type FeatureViewSpec,
  featureNames,
  type Kind,
  isTabular,
  type Specs,
  type StreamSpec,
  type TabularModelSpec,
} from '#libs/definitions/definition-kinds.js';
import { featureServiceDigest } from '#libs/definitions/feature-service-digest.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { compileExpression, type ColumnType } from '#libs/expressions/compile-expression.js';
import { float64Scale } from '#libs/windows/measure.js';
import type { LabelPlan } from './build-dataset.js';
import type { Lookup, Measure, ServicePlan, StreamPlan, ViewFeature, ViewPlan } from './plans.js';

/** What the definitions mean for the store, compiled on first use and anew after a change. */
export class Catalog {
  private readonly specs = new Map<string, unknown>();
  private readonly compiled = new Map<string, unknown>();

  /** @param spec undefined = the definition was deleted */
  set(kind: Kind, name: string, spec: unknown): void {
    if (spec === undefined) this.specs.delete(`${kind}/${name}`);
    else this.specs.set(`${kind}/${name}`, spec);
    this.compiled.clear();
  }

  streams(): StreamPlan[] {
    return this.all('Stream').map(({ name }) => this.stream(name));
  }

  /** Views of a stream whose own definition is known. */
  viewsOf(stream: string): ViewPlan[] {
    return this.once(`views:${stream}`, () => {
      const source = this.find('Stream', stream);
      if (source === undefined) return [];
      return this.all('FeatureView')
        .filter((view) => view.source === stream)
        .map((view) => compileView(view, source));
    });
  }

  /** @throws MillraceError not-found */
  service(name: string): ServicePlan {
    return this.once(`service:${name}`, () => this.compileService(this.need('FeatureService', name)));
  }

  /** The feature service and the label of a model. @throws MillraceError not-found */
  model(name: string): { plan: ServicePlan; label: LabelPlan } {
    const model = this.tabular(name);
    return { plan: this.service(model.features), label: this.compileLabel(model) };
  }

  /** The feature service behind an endpoint. @throws MillraceError not-found */
  endpoint(name: string): ServicePlan {
    return this.service(this.tabular(this.need('Endpoint', name).model).features);
  }

  private tabular(name: string): TabularModelSpec {
    const model = this.need('Model', name);
    if (isTabular(model)) return model;
    throw new MillraceError('failed-precondition', `model ${name} is of task tensors, which reads no features`);
  }

  private stream(name: string): StreamPlan {
    return this.once(`stream:${name}`, () => compileStream(this.need('Stream', name)));
  }

  private compileService(spec: FeatureServiceSpec): ServicePlan {
    const spine = this.need('Stream', spec.spine);
    const scope = scopeOf(spine);
    const views = new Map(
      spec.items.flatMap((item) => ('view' in item ? [[item.view, this.need('FeatureView', item.view)] as const] : [])),
    );
    const items = spec.items.flatMap((item): ServicePlan['items'][number][] => {
      if ('request' in item)
        return item.request.map(({ expression }) => ({ request: compileExpression(expression, scope) }));
      const view = this.viewsOf(views.get(item.view)!.source).find(({ name }) => name === item.view)!;
      return [{ lookup: compileLookup(item, view, scope) }];
    });
    return {
      name: spec.name,
      digest: featureServiceDigest(spec, [...views.values()], spine),
      spine: this.stream(spec.spine),
      items,
      featureNames: featureNames(spec),
    };
  }

  private compileLabel({ label }: TabularModelSpec): LabelPlan {
    const scope = scopeOf(this.need('Stream', label.stream));
    return {
      stream: label.stream,
      value: compileExpression(label.value, scope),
      join: label.join,
      horizonMs: label.horizonMs,
    };
  }

  private once<T>(key: string, compile: () => T): T {
    if (!this.compiled.has(key)) this.compiled.set(key, compile());
    return this.compiled.get(key) as T;
  }

  private all<K extends Kind>(kind: K): Specs[K][] {
    return [...this.specs].filter(([key]) => key.startsWith(`${kind}/`)).map(([, spec]) => spec as Specs[K]);
  }

  private find<K extends Kind>(kind: K, name: string): Specs[K] | undefined {
    return this.specs.get(`${kind}/${name}`) as Specs[K] | undefined;
  }

  private need<K extends Kind>(kind: K, name: string): Specs[K] {
    const found = this.find(kind, name);
    if (found === undefined)
      throw new MillraceError(
        'not-found',
        `there is no ${kind} ${name}; there is ${
          this.all(kind)
            .map((spec) => spec.name)
            .join(', ') || 'none'
        }`,
      );
    return found;
  }
}

function scopeOf(stream: StreamSpec): Record<string, ColumnType> {
  return Object.fromEntries([...stream.schema, ...stream.derive].map(({ name, type }) => [name, type]));
}

function compileStream(spec: StreamSpec): StreamPlan {
  const schema = Object.fromEntries(spec.schema.map(({ name, type }) => [name, type]));
  return {
    name: spec.name,
    eventTime: spec.eventTime,
    columns: [...spec.schema, ...spec.derive].map(({ name, type }) => ({ name, type })),
    derived: spec.derive.map(({ name, expression }) => ({ name, expression: compileExpression(expression, schema) })),
  };
}

function compileView(spec: FeatureViewSpec, stream: StreamSpec): ViewPlan {
  const scope = scopeOf(stream);
  const sources = [
    ...new Set(
      spec.features
        .filter(({ aggregation, value }) => aggregation !== 'sinceLast' && value !== '*')
        .map(({ value }) => value),
    ),
  ];
  const measures = sources.map((source): Measure => {
    const expression = compileExpression(source, scope);
    return { expression, scale: expression.type === 'float64' ? float64Scale : 1 };
  });
  const features = spec.features.map(({ name, aggregation, value, windowMs, cap }): ViewFeature => {
    const measure = sources.indexOf(aggregation === 'sinceLast' ? '*' : value);
    return {
      name,
      aggregation: {
        fn: aggregation,
        measure,
        windowMs,
        scale: measures[measure]?.scale ?? 1,
        ...(cap === undefined ? {} : { capMinutes: cap }),
      },
    };
  });
  const meaning = {
    entity: spec.entity,
    features: spec.features,
    schema: stream.schema.map(({ name, type }) => ({ name, type })),
    derive: stream.derive,
    stream: stream.name,
  };
  return {
    id: `${spec.name}@${digestOf(meaning).slice(0, 12)}`,
    name: spec.name,
    stream: stream.name,
    entityNames: spec.entity.map(({ name }) => name),
    entityColumns: spec.entity.map(({ column }) => column),
    measures,
    features,
    maxWindowMs: Math.max(...spec.features.map(({ windowMs }) => windowMs)),
    ttlMs: spec.ttlMs,
  };
}

function compileLookup(
  item: Extract<FeatureServiceSpec['items'][number], { view: string }>,
  view: ViewPlan,
  scope: Record<string, ColumnType>,
): Lookup {
  const entity = view.entityNames.map((name) =>
    compileExpression(item.entity.find((mapped) => mapped.name === name)!.expression, scope),
  );
  return {
    view,
    entity,
    features: item.features.map((name) => view.features.find((feature) => feature.name === name)!),
  };
}
