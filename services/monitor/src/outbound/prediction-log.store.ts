import { Readable } from 'node:stream';
import type { ClickHouseClient } from '@clickhouse/client';
import type { PredictionBlock } from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import { errorMessage, MillraceError } from '#libs/errors/millrace-error.js';
import { runSql } from '#libs/storage/clickhouse.js';
import { readSql } from '#libs/storage/sql-file.js';
import type { LoggedScores } from '../domain/logged-scores.js';
import { blockTables } from './block-tables.js';
import { RowBinary } from './row-binary.js';

export interface Label {
  readonly model: string;
  readonly joinKey: string;
  readonly label: number;
  readonly labelledAtMs: number;
  readonly horizonMs: number;
  readonly sourcePartition: number;
  readonly sourceOffset: number;
}

export interface Unreadable {
  readonly partition: number;
  readonly offset: number;
  readonly error: string;
  readonly value: Buffer;
}

const maxRows = 2_000_000;

/** Score, label, `<model>@<version>`, fallback, as_of in epoch ms, value of the segment. */
type ScoreRow = [number, number | null, string, boolean, number, string];

/** ClickHouse database `monitoring`. */
export class PredictionLogStore {
  constructor(private readonly client: ClickHouseClient) {}

  async createTables(): Promise<void> {
    await runSql(this.client, readSql('services/monitor/sql/monitoring.sql'));
    await runSql(this.client, readSql('services/monitor/sql/views.sql'));
  }

  /** Everything that blocks hold, an insert a table; the token makes a repetition of each do nothing. */
  async insertBlocks(blocks: readonly PredictionBlock[], token: string): Promise<void> {
    for (const { name, columns, writeBlock } of blockTables) {
      const rows = new RowBinary();
      for (const block of blocks) writeBlock(rows, block);
      if (rows.bytes().length > 0) await this.insertRows(`${name} (${columns})`, rows, token);
    }
  }

  async insertUnreadable(records: readonly Unreadable[]): Promise<void> {
    const values = records.map(({ partition, offset, error, value }) => ({
      partition,
      offset,
      error,
      value_base64: value.toString('base64'),
    }));
    await this.client.insert({ table: 'monitoring.predictions_unreadable', values, format: 'JSONEachRow' });
  }

  async insertLabels(labels: readonly Label[], token: string): Promise<void> {
    const values = labels.map((one) => ({
      model: one.model,
      join_key: one.joinKey,
      label: one.label,
      labelled_at: new Date(one.labelledAtMs).toISOString(),
      horizon_ms: one.horizonMs,
      source_partition: one.sourcePartition,
      source_offset: one.sourceOffset,
    }));
    await this.client.insert({
      table: 'monitoring.labels',
      values,
      format: 'JSONEachRow',
      clickhouse_settings: { async_insert: 0, insert_deduplication_token: token },
    });
  }

  /**
   * Scores of an endpoint, with labels. @param segment a column of the request; '' = none @throws MillraceError unavailable, failed-precondition (more than 2 million rows)
   */
  async scores(endpoint: string, version: string, from: number, to: number, segment = ''): Promise<LoggedScores> {
    const rows = await this.select({ endpoint, version, from, to, segment, limit: maxRows + 1 });
    if (rows.length > maxRows)
      throw new MillraceError('failed-precondition', `more than ${maxRows} predictions; ask for a shorter time`);
    return {
      scores: Float64Array.from(rows, ([score]) => score),
      labels: Float64Array.from(rows, ([, label]) => label ?? Number.NaN),
      versions: rows.map(([, , answeredBy]) => answeredBy),
      fallbacks: rows.map(([, , , fallback]) => fallback),
      atMs: Float64Array.from(rows, ([, , , , atMs]) => atMs),
      parts: rows.map(([, , , , , part]) => part),
    };
  }

  private async insertRows(into: string, rows: RowBinary, token: string): Promise<void> {
    const { stream } = await this.client.exec({
      query: `INSERT INTO monitoring.${into} FORMAT RowBinary`,
      values: Readable.from([rows.bytes()], { objectMode: false }),
      clickhouse_settings: {
        async_insert: 0,
        insert_deduplication_token: token,
        // A table that was made with partitions by the instants that callers ask for has as many as they like.
        max_partitions_per_insert_block: '0',
      },
    });
    stream.resume();
    await new Promise((resolve, reject) => stream.once('end', resolve).once('error', reject));
  }

  private async select(parameters: Record<string, unknown>): Promise<ScoreRow[]> {
    try {
      const query = readSql('services/monitor/sql/performance.sql');
      const result = await this.client.query({ query, query_params: parameters, format: 'JSONCompactEachRow' });
      return await result.json<ScoreRow>();
    } catch (error) {
      throw new MillraceError(
        'unavailable',
        `the prediction log (CLICKHOUSE_URL) does not answer: ${errorMessage(error)}`,
        { cause: error },
      );
    }
  }
}
