import type { ClickHouseClient } from '@clickhouse/client';
import { runSql } from '#libs/storage/clickhouse.js';
import { readSql } from '#libs/storage/sql-file.js';
import { type Retention, ttlOf } from '../domain/retention.js';

/** Tables of the log and the wall clock that each goes by. */
const tables: readonly { readonly table: string; readonly column: string; readonly hasEndpoint: boolean }[] = [
  { table: 'predictions', column: 'answered_at', hasEndpoint: true },
  { table: 'shadow_predictions', column: 'answered_at', hasEndpoint: true },
  { table: 'prediction_failures', column: 'failed_at', hasEndpoint: true },
  { table: 'unmirrored', column: 'at', hasEndpoint: true },
  { table: 'feedback', column: 'given_at', hasEndpoint: false },
  { table: 'labels', column: 'inserted_at', hasEndpoint: false },
  { table: 'predictions_unreadable', column: 'inserted_at', hasEndpoint: false },
];

const sql = (name: string): string => readSql(`services/monitor/sql/retention-${name}.sql`);

/** What ClickHouse forgets by itself. */
export class RetentionStore {
  constructor(private readonly client: ClickHouseClient) {}

  /** Makes the tables forget as it says, what is in them already too; where they do so, nothing happens. */
  async apply(retention: Retention): Promise<void> {
    const forgetting = await this.forgetting();
    for (const { table, column, hasEndpoint } of tables) {
      const ttl = ttlOf(retention, column, hasEndpoint);
      if (ttl !== undefined) await runSql(this.client, sql('set'), { table, ttl });
      else if (forgetting.has(table)) await runSql(this.client, sql('remove'), { table });
    }
  }

  private async forgetting(): Promise<Set<string>> {
    const result = await this.client.query({ query: sql('now'), format: 'JSONEachRow' });
    const rows = await result.json<{ name: string; forgets: 0 | 1 }>();
    return new Set(rows.filter(({ forgets }) => forgets === 1).map(({ name }) => name));
  }
}
