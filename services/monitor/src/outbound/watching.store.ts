import type { ClickHouseClient } from '@clickhouse/client';
import { Alert } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { errorMessage, MillraceError } from '#libs/errors/millrace-error.js';
import { runSql } from '#libs/storage/clickhouse.js';
import { readSql } from '#libs/storage/sql-file.js';
import type { BinCount } from '../domain/measure-drift.js';
import type { FeatureReference } from '../domain/reference-histograms.js';

export interface EndpointNow {
  readonly model: string;
  readonly version: string;
  readonly newestMs: number;
  readonly predictions: number;
}

export interface LabelsNow {
  /** Of the model's stream, and the newest one's event time, epoch ms. */
  readonly labels: number;
  readonly newestMs: number;
  /** Labels that callers gave, of all models. */
  readonly told: number;
}

export interface LogWindow {
  readonly endpoint: string;
  readonly version: string;
  /** as_of, from inclusive, to exclusive, epoch ms. */
  readonly from: number;
  readonly to: number;
}

const sql = (name: string): string => readSql(`services/monitor/sql/${name}.sql`);

/** References, windows of the prediction log, and alerts, in ClickHouse. Every method throws MillraceError unavailable where ClickHouse does not answer. */
export class WatchingStore {
  constructor(private readonly client: ClickHouseClient) {}

  async createTables(): Promise<void> {
    await runSql(this.client, sql('watching'));
  }

  async references(model: string, version: string): Promise<FeatureReference[]> {
    return this.select('references', { model, version });
  }

  /** Storing the same reference again replaces it. */
  async insertReferences(model: string, version: string, references: readonly FeatureReference[]): Promise<void> {
    const values = references.map(({ edges, counts, ...one }) => ({
      ...one,
      model,
      version,
      edges: Array.from(edges),
      counts: Array.from(counts),
      deviation: Number.isNaN(one.deviation) ? 0 : one.deviation,
    }));
    await this.client.insert({ table: 'monitoring.references', values, format: 'JSONEachRow' });
  }

  /** Rows a bin of the version's reference, of every feature that has one. */
  async binCounts(model: string, window: LogWindow): Promise<BinCount[]> {
    return this.select('drift', { model, ...window });
  }

  /** Undefined = nothing was predicted there yet. */
  async endpointNow(endpoint: string): Promise<EndpointNow | undefined> {
    const [row] = await this.select<EndpointNow>('endpoint-now', { endpoint });
    return row === undefined || row.version === '' ? undefined : row;
  }

  async versionNow(endpoint: string, version: string): Promise<EndpointNow | undefined> {
    const [row] = await this.select<Omit<EndpointNow, 'version'>>('version-now', { endpoint, version });
    return row === undefined || row.predictions === 0 ? undefined : { ...row, version };
  }

  async labelsNow(model: string): Promise<LabelsNow> {
    return (await this.select<LabelsNow>('labels-now', { model }))[0]!;
  }

  /** as_of of the newest prediction that has its label; undefined = none has. */
  async newestLabelled(endpoint: string, version: string): Promise<number | undefined> {
    const [row] = await this.select<{ newestMs: number; rows: number }>('newest-labelled', { endpoint, version });
    return row === undefined || row.rows === 0 ? undefined : row.newestMs;
  }

  async missingLabels(endpoint: string, from: number, to: number): Promise<{ due: number; missing: number }> {
    return (await this.select<{ due: number; missing: number }>('labels-missing', { endpoint, from, to }))[0]!;
  }

  async firstScores(endpoint: string, version: string, limit: number): Promise<number[]> {
    const rows = await this.select<{ score: number }>('first-scores', { endpoint, version, limit });
    return rows.map(({ score }) => score);
  }

  /** Writes a change of an alert; once more with `told` when everybody has been told. */
  async insertAlert(alert: Alert, told: boolean): Promise<void> {
    const { fingerprint, startsMs, endsMs, state, monitor, endpoint, breach, summary } = alert;
    const values = [
      {
        fingerprint,
        starts_at: new Date(startsMs).toISOString(),
        state,
        told: told ? 1 : 0,
        changed_at: new Date(endsMs || startsMs).toISOString(),
        monitor,
        endpoint,
        breach,
        summary,
        alert_base64: Buffer.from(Alert.encode(alert).finish()).toString('base64'),
      },
    ];
    await this.client.insert({ table: 'monitoring.alerts', values, format: 'JSONEachRow' });
  }

  /** Newest first. @param endpoint empty = all */
  async alerts(endpoint: string, firing: boolean, limit: number): Promise<Alert[]> {
    return (await this.select<AlertRow>('alerts', { endpoint, firing, limit })).map(decodeAlert);
  }

  /** Changes that not everybody was told of, oldest first: a monitor that was killed left them. */
  async untoldAlerts(): Promise<Alert[]> {
    return (await this.select<AlertRow>('alerts-untold', {})).map(decodeAlert);
  }

  private async select<T>(name: string, parameters: Record<string, unknown>): Promise<T[]> {
    try {
      const result = await this.client.query({ query: sql(name), query_params: parameters, format: 'JSONEachRow' });
      return await result.json<T>();
    } catch (error) {
      const message = `the prediction log (CLICKHOUSE_URL) does not answer (${name}.sql): ${errorMessage(error)}`;
      throw new MillraceError('unavailable', message, { cause: error });
    }
  }
}

interface AlertRow {
  readonly alert_base64: string;
}

function decodeAlert({ alert_base64 }: AlertRow): Alert {
  return Alert.decode(Buffer.from(alert_base64, 'base64'));
}
