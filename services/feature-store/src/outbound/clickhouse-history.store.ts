import type { ClickHouseClient } from '@clickhouse/client';
import { MillraceError, errorMessage } from '#libs/errors/millrace-error.js';
import type { ColumnType } from '#libs/expressions/compile-expression.js';
import { readSql } from '#libs/storage/sql-file.js';
import type { StreamPlan } from '../domain/plans.js';
import { HistoryStore, type LoggedVector } from '../domain/ports.js';
import type { Row } from '../domain/rows.js';

const columnTypes: Record<ColumnType, string> = {
  string: 'Nullable(String)',
  int32: 'Nullable(Int32)',
  int64: 'Nullable(Int64)',
  float64: 'Nullable(Float64)',
  bool: 'Nullable(Bool)',
  // Epoch milliseconds, as everywhere in the mesh; the view of analysts shows DateTime64.
  timestamp: 'Nullable(Int64)',
};

const loggedVectorsSql = readSql('services/feature-store/sql/logged-vectors.sql');
const rowsSql = readSql('services/feature-store/sql/history-rows.sql');

/** ClickHouse database `features`, one table a stream, every valid event once by its identity. */
export class ClickHouseHistoryStore extends HistoryStore {
  constructor(private readonly client: ClickHouseClient) {
    super();
  }

  /** Creates the stream's table, and adds columns that it has gained. */
  async ensureTable(stream: StreamPlan): Promise<void> {
    await this.command('CREATE DATABASE IF NOT EXISTS features');
    const columns = stream.columns.map(({ name, type }) => `\`${name}\` ${columnTypes[type]}`);
    await this.command(createTable(stream.name, columns));
    for (const column of columns)
      await this.command(`ALTER TABLE features.${tableOf(stream.name)} ADD COLUMN IF NOT EXISTS ${column}`);
  }

  /** One insert; the token makes a repetition of it do nothing. */
  async insert(stream: string, rows: readonly (Row & { id: string; late: boolean })[], token: string): Promise<void> {
    const values = rows.map((row) => ({
      ...row.columns,
      _event_id: row.id,
      _event_time: row.eventTimeMs,
      _source_partition: row.partition,
      _source_offset: row.offset,
      _late: row.late,
    }));
    await this.client.insert({
      table: `features.${tableOf(stream)}`,
      values,
      format: 'JSONEachRow',
      clickhouse_settings: { async_insert: 0, insert_deduplication_token: token },
    });
  }

  async *rows(stream: string, fromMs: number, toMs: number): AsyncIterable<Row> {
    const query = rowsSql.replace('${table}', `features.${tableOf(stream)}`);
    for await (const row of this.stream<Record<string, unknown>>(query, { from: fromMs, to: toMs })) {
      const { _event_time: time, _source_partition: partition, _source_offset: offset, ...columns } = row;
      yield { eventTimeMs: Number(time), partition: Number(partition), offset: Number(offset), columns };
    }
  }

  async *loggedVectors(endpoint: string, fromMs: number, toMs: number): AsyncIterable<LoggedVector> {
    for await (const row of this.stream<LoggedRow>(loggedVectorsSql, { endpoint, from: fromMs, to: toMs })) {
      yield {
        predictionId: row.prediction_id,
        joinKey: row.join_key,
        featureService: row.feature_service,
        featureServiceDigest: row.feature_service_digest,
        asOfMs: row.as_of_ms,
        request: JSON.parse(row.request) as Record<string, unknown>,
        features: decodeFloats(row.feature_bits),
        visible: new Map(row.position_streams.map((stream, i) => [stream, row.position_offsets[i] ?? []])),
      };
    }
  }

  private async *stream<T>(query: string, parameters: Record<string, unknown>): AsyncIterable<T> {
    try {
      const result = await this.client.query({ query, query_params: parameters, format: 'JSONEachRow' });
      for await (const rows of result.stream<T>()) for (const row of rows) yield row.json();
    } catch (error) {
      throw new MillraceError('unavailable', `the history (CLICKHOUSE_URL) does not answer: ${errorMessage(error)}`, {
        cause: error,
      });
    }
  }

  private async command(query: string): Promise<void> {
    await this.client.command({ query });
  }
}

interface LoggedRow {
  readonly prediction_id: string;
  readonly join_key: string;
  readonly feature_service: string;
  readonly feature_service_digest: string;
  readonly as_of_ms: number;
  readonly request: string;
  /** The float32 bits as unsigned integers: JSON text would lose NaN and could lose digits. */
  readonly feature_bits: number[];
  readonly position_streams: string[];
  readonly position_offsets: number[][];
}

function decodeFloats(bits: readonly number[]): number[] {
  return [...new Float32Array(Uint32Array.from(bits).buffer)];
}

function tableOf(stream: string): string {
  return `stream_${stream.replaceAll('-', '_')}`;
}

function createTable(stream: string, columns: readonly string[]): string {
  return readSql('services/feature-store/sql/create-stream-table.sql')
    .replace('${table}', `features.${tableOf(stream)}`)
    .replace('${columns}', columns.join(',\n  '));
}
