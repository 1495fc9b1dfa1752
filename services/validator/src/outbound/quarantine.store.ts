import type { ClickHouseClient } from '@clickhouse/client';
import { QuarantinedEvent } from '#libs/contracts/generated/millrace/validator/v1/validator.js';
import { errorMessage, MillraceError } from '#libs/errors/millrace-error.js';
import { runSql } from '#libs/storage/clickhouse.js';
import { readSql } from '#libs/storage/sql-file.js';

export interface StoredEvent {
  readonly event: QuarantinedEvent;
  /** CloudEvents source. */
  readonly source: string;
}

interface Row {
  readonly stream: string;
  readonly source_partition: number;
  readonly source_offset: number;
  readonly event_id: string;
  readonly event_source: string;
  readonly quarantined_at_ms: number;
  readonly codes: string[];
  readonly columns: string[];
  readonly messages: string[];
  readonly key: string;
  readonly data_base64: string;
  readonly total: number;
}

const listSql = readSql('services/validator/sql/list-quarantined.sql');

/** ClickHouse `validation.quarantined`: each event once, with its original bytes and where they stand in the raw topic. */
export class QuarantineStore {
  private created = false;

  constructor(private readonly client: ClickHouseClient) {}

  async insert(events: readonly StoredEvent[], token: string): Promise<void> {
    await this.createTable();
    const values = events.map(({ event, source }) => ({
      stream: event.stream,
      identity: event.eventId === '' ? `${event.sourcePartition}/${event.sourceOffset}` : `${source} ${event.eventId}`,
      source_partition: event.sourcePartition,
      source_offset: event.sourceOffset,
      event_id: event.eventId,
      event_source: source,
      quarantined_at: new Date(event.quarantinedAtMs).toISOString(),
      'reasons.code': event.reasons.map(({ code }) => code),
      'reasons.column': event.reasons.map(({ column }) => column),
      'reasons.message': event.reasons.map(({ message }) => message),
      key: event.key.toString(),
      data_base64: event.data.toString('base64'),
    }));
    await this.client.insert({
      table: 'validation.quarantined',
      values,
      format: 'JSONEachRow',
      clickhouse_settings: { async_insert: 0, insert_deduplication_token: token },
    });
  }

  /** Newest first. @param ids empty = any @throws MillraceError unavailable */
  async list(
    stream: string,
    code: string,
    ids: readonly string[],
    limit: number,
  ): Promise<{ events: StoredEvent[]; total: number }> {
    try {
      await this.createTable();
      const result = await this.client.query({
        query: listSql,
        query_params: { stream, code, ids, limit },
        format: 'JSONEachRow',
      });
      const rows = await result.json<Row>();
      return { events: rows.map(toEvent), total: Number(rows[0]?.total ?? 0) };
    } catch (error) {
      throw new MillraceError(
        'unavailable',
        `the quarantine (CLICKHOUSE_URL) does not answer: ${errorMessage(error)}`,
        { cause: error },
      );
    }
  }

  private async createTable(): Promise<void> {
    if (this.created) return;
    await runSql(this.client, readSql('services/validator/sql/quarantined.sql'));
    this.created = true;
  }
}

function toEvent(row: Row): StoredEvent {
  const event = QuarantinedEvent.fromPartial({
    stream: row.stream,
    sourcePartition: row.source_partition,
    sourceOffset: Number(row.source_offset),
    eventId: row.event_id,
    quarantinedAtMs: Number(row.quarantined_at_ms),
    reasons: row.codes.map((code, i) => ({ code, column: row.columns[i] ?? '', message: row.messages[i] ?? '' })),
    data: Buffer.from(row.data_base64, 'base64'),
    key: Buffer.from(row.key),
  });
  return { event, source: row.event_source };
}
