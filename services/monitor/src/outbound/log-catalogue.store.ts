import type { ClickHouseClient } from '@clickhouse/client';

/** What the places of a vector are called. */
export interface NamedFeatures {
  readonly feature_service_digest: string;
  /** '' = all features of the service, else those that this version of the model reads. */
  readonly model: string;
  readonly model_version: string;
  readonly features: readonly string[];
}

/** What ClickHouse has to know of definitions, so that views can name features and measure errors. Writing the same again changes nothing. */
export class LogCatalogueStore {
  constructor(private readonly client: ClickHouseClient) {}

  async insertFeatureNames(values: readonly NamedFeatures[]): Promise<void> {
    await this.client.insert({ table: 'monitoring.feature_names', values: [...values], format: 'JSONEachRow' });
  }

  async insertModels(values: readonly { readonly model: string; readonly task: string }[]): Promise<void> {
    await this.client.insert({ table: 'monitoring.models', values: [...values], format: 'JSONEachRow' });
  }
}
