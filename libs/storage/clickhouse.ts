import { createClient, type ClickHouseClient } from '@clickhouse/client';

/**
 * A client for CLICKHOUSE_URL (http://user:password@host:port). Inserts are synchronous (async_insert=0): an answer means that the rows are in the table.
 * Idle sockets are closed before the server closes them, so that a request never meets a dead one.
 */
export function connectClickHouse(url: string, application: string): ClickHouseClient {
  return createClient({
    url,
    application,
    request_timeout: 60_000,
    max_open_connections: 8,
    keep_alive: { enabled: true, idle_socket_ttl: 2_000 },
    clickhouse_settings: {
      async_insert: 0,
      date_time_input_format: 'best_effort',
      output_format_json_quote_64bit_integers: 0,
    },
  });
}

/** Runs the statements of a .sql file, separated by lines that hold only `;`. */
export async function runSql(
  client: ClickHouseClient,
  sql: string,
  parameters: Record<string, string> = {},
): Promise<void> {
  const filled = Object.entries(parameters).reduce((text, [name, value]) => text.replaceAll(`\${${name}}`, value), sql);
  const statements = filled.split(/^;\s*$/m).map((statement) => statement.trim());
  for (const query of statements) if (query !== '') await client.command({ query });
}
