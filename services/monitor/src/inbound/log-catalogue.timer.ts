import type { ModelVersion } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { ModelSpec } from '#libs/definitions/definition-kinds.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import type { Logger } from '#libs/telemetry/logger.js';
import type { LogCatalogueStore, NamedFeatures } from '../outbound/log-catalogue.store.js';

interface Known {
  readonly models: ReadonlyMap<string, Pick<ModelSpec, 'task'>>;
  readonly versions: ReadonlyMap<string, Pick<ModelVersion, 'model' | 'version' | 'features' | 'featureServiceDigest'>>;
}

interface Names {
  all(): ReadonlyMap<string, readonly string[]>;
}

/** Tells ClickHouse what is defined: names of features and tasks of models. What is new is written in the next round, and again where ClickHouse did not take it. */
export class LogCatalogueTimer {
  private readonly written = new Set<string>();
  private timer: NodeJS.Timeout | undefined;
  private round: Promise<void> = Promise.resolve();

  constructor(
    private readonly intervalMs: number,
    private readonly known: Known,
    private readonly names: Names,
    private readonly store: Pick<LogCatalogueStore, 'insertFeatureNames' | 'insertModels'>,
    private readonly logger: Logger,
  ) {}

  start(): void {
    this.timer = setInterval(() => (this.round = this.round.then(() => this.tell())), this.intervalMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.round;
  }

  /** Writes what has not been written yet. Never throws: what fails is logged, and tried again. */
  async tell(): Promise<void> {
    const models = [...this.known.models].map(([model, { task }]) => ({ model, task }));
    try {
      await this.tellNew(this.namedFeatures(), (rows) => this.store.insertFeatureNames(rows));
      await this.tellNew(models, (rows) => this.store.insertModels(rows));
    } catch (error) {
      this.logger.warn('catalogue_not_written', { error: errorMessage(error) });
    }
  }

  private namedFeatures(): NamedFeatures[] {
    const ofServices = [...this.names.all()].map(([digest, features]) => ({
      feature_service_digest: digest,
      model: '',
      model_version: '',
      features,
    }));
    const ofVersions = [...this.known.versions.values()].map(({ model, version, features, featureServiceDigest }) => ({
      feature_service_digest: featureServiceDigest,
      model,
      model_version: version,
      features,
    }));
    return [...ofServices, ...ofVersions];
  }

  private async tellNew<T>(rows: readonly T[], insert: (rows: readonly T[]) => Promise<void>): Promise<void> {
    const fresh = rows.filter((row) => !this.written.has(JSON.stringify(row)));
    if (fresh.length === 0) return;
    await insert(fresh);
    for (const row of fresh) this.written.add(JSON.stringify(row));
  }
}
