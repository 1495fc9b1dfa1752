import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

export interface MetricSpec {
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** In base units: _seconds, _bytes, _total. */
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
  readonly buckets?: readonly number[];
}

type Made<S extends MetricSpec> = S['type'] extends 'counter' ? Counter : S['type'] extends 'gauge' ? Gauge : Histogram;

/** The metrics of one process: each service declares its table once, and gets exactly those. */
export class Metrics {
  readonly registry = new Registry();
  private readonly readers = new Map<Gauge, () => number>();

  /** @param process which of those that share the service's addresses; left out = there is one, and no label of it */
  constructor(service: string, process?: string) {
    this.registry.setDefaultLabels(process === undefined ? { service } : { service, process });
    collectDefaultMetrics({ register: this.registry });
  }

  create<T extends Record<string, MetricSpec>>(table: T): { [K in keyof T]: Made<T[K]> } {
    const made = Object.entries(table).map(([key, spec]) => [key, this.createOne(spec)]);
    return Object.fromEntries(made) as { [K in keyof T]: Made<T[K]> };
  }

  /** A gauge without labels that says what is so when it is asked, instead of being told of each change. */
  readWhenAsked(gauge: Gauge, value: () => number): void {
    this.readers.set(gauge, value);
  }

  private createOne(spec: MetricSpec): Counter | Gauge | Histogram {
    const options = {
      name: spec.name,
      help: spec.help,
      labelNames: [...(spec.labels ?? [])],
      registers: [this.registry],
    };
    if (spec.type === 'counter') return new Counter(options);
    if (spec.type === 'gauge') {
      const { readers } = this;
      return new Gauge({
        ...options,
        collect() {
          const read = readers.get(this);
          if (read !== undefined) this.set(read());
        },
      });
    }
    return new Histogram({ ...options, ...(spec.buckets ? { buckets: [...spec.buckets] } : {}) });
  }
}
