import { createWriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { type ClickHouseClient, createClient } from '@clickhouse/client';
import { clickHouseError } from './clickhouse-error.js';
import { moveFile } from './durable-file.js';

/** An hour, for the query and for the first row of it. */
const queryTimeoutMs = 3_600_000;
/** ClickHouse says so often in a header that it is still at it. Node takes 16 KiB of headers, and one is about 200 bytes. */
const aliveEveryMs = 110_000;

export interface QueryColumn {
  readonly name: string;
  readonly type: string;
}

/** @throws MillraceError invalid-argument with ClickHouse's words where it is no query */
export async function describeQuery(clickhouse: ClickHouseClient, query: string): Promise<QueryColumn[]> {
  try {
    const result = await clickhouse.query({
      query: `DESCRIBE TABLE (${withoutEnd(query)}\n)`,
      format: 'JSONEachRow',
      clickhouse_settings: { readonly: '2' },
    });
    return (await result.json<QueryColumn>()).map(({ name, type }) => ({ name, type }));
  } catch (error) {
    throw clickHouseError(error, 'invalid-argument', '--query');
  }
}

/**
 * Writes what a query gives into a file of JSON lines, once: asked again it might give other rows, or the same in another order. Whatever happens, there is a whole file or none.
 * @throws MillraceError with ClickHouse's words
 */
export async function spoolQuery(clickhouseUrl: string, query: string, path: string): Promise<void> {
  const clickhouse = createClient({
    url: clickhouseUrl,
    application: 'millrace-batch',
    request_timeout: queryTimeoutMs,
    clickhouse_settings: {
      send_progress_in_http_headers: 1,
      http_headers_progress_interval_ms: String(aliveEveryMs),
    },
  });
  try {
    const result = await clickhouse.query({
      query: withoutEnd(query),
      format: 'JSONEachRow',
      clickhouse_settings: {
        readonly: '2',
        max_execution_time: queryTimeoutMs / 1_000,
        output_format_json_quote_64bit_integers: 0,
        date_time_output_format: 'iso',
      },
    });
    await pipeline(textOf(result.stream<unknown>()), createWriteStream(`${path}.part`));
  } catch (error) {
    throw clickHouseError(error, 'invalid-argument', '--query');
  } finally {
    await clickhouse.close();
  }
  const written = await open(`${path}.part`, 'r+');
  await written.sync();
  await written.close();
  await moveFile(`${path}.part`, path);
}

async function* textOf(parts: AsyncIterable<readonly { text: string }[]>): AsyncGenerator<string> {
  for await (const rows of parts) yield rows.map(({ text }) => `${text}\n`).join('');
}

function withoutEnd(query: string): string {
  return query.trim().replace(/;$/, '');
}
