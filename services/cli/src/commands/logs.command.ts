import type { Command } from 'commander';
import { createClient } from '@clickhouse/client';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { connectMesh } from '../connection.js';
import { type OutputOptions, printJson, printTable } from '../output.js';

interface LogOptions extends OutputOptions {
  readonly limit: string;
  readonly endpoint?: string;
  readonly sql?: string;
}

export function addLogsCommand(program: Command): void {
  program
    .command('logs')
    .description('the newest logged predictions with their labels, or any question in SQL')
    .argument('[what]', 'predictions', 'predictions')
    .option('--endpoint <name>', 'of this endpoint only')
    .option('--limit <rows>', 'at most so many', '20')
    .option('--sql <query>', 'a read-only ClickHouse query, e.g. "SELECT count() FROM monitoring.predictions"')
    .option('--json', 'print one JSON array')
    .action(showLogs);
}

async function showLogs(what: string, options: LogOptions): Promise<void> {
  if (what !== 'predictions')
    throw new MillraceError('invalid-argument', `logs of "${what}" do not exist; there are: predictions`);
  const limit = Number(options.limit);
  if (!Number.isInteger(limit) || limit < 1 || limit > 10_000)
    throw new MillraceError('invalid-argument', `--limit "${options.limit}" is not a whole number from 1 to 10000`);
  const client = createClient({ url: connectMesh().clickhouseUrl, request_timeout: 60_000 });
  try {
    const query = options.sql ?? newest;
    const result = await client.query({
      query,
      format: 'JSONEachRow',
      query_params: options.sql === undefined ? { limit, endpoint: options.endpoint ?? '' } : {},
      clickhouse_settings: { readonly: '2', max_execution_time: 60, output_format_json_quote_64bit_integers: 0 },
    });
    const rows = await result.json<Record<string, unknown>>();
    if (options.json) printJson(rows);
    else
      printTable(
        Object.keys(rows[0] ?? {}).map((name) => name.toUpperCase()),
        rows.map((row) => Object.values(row)),
        'no rows',
      );
  } finally {
    await client.close();
  }
}

const newest = `SELECT prediction_id, endpoint, model_version AS version, as_of, join_key, round(score, 4) AS score, label, latency_us
FROM monitoring.predictions_labelled
WHERE {endpoint: String} = '' OR endpoint = {endpoint: String}
ORDER BY answered_at DESC LIMIT {limit: UInt32}`;
