import { createReadStream } from 'node:fs';
import type { ClickHouseClient } from '@clickhouse/client';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { runSql } from '#libs/storage/clickhouse.js';
import { readSql } from '#libs/storage/sql-file.js';
import type { Block } from '../domain/batch/batch-progress.js';
import { answerColumns } from '../domain/batch/run-columns.js';
import { clickHouseError } from './clickhouse-error.js';
import type { QueryColumn } from './spool-query.js';

export interface ScoresTable {
  readonly database: string;
  readonly table: string;
}

/** `database.table`. @throws MillraceError invalid-argument */
export function parseTable(text: string): ScoresTable {
  const match = /^([A-Za-z_]\w*)\.([A-Za-z_]\w*)$/.exec(text);
  if (match === null)
    throw new MillraceError(
      'invalid-argument',
      `--table "${text}" is not <database>.<table>, of letters, digits and _`,
    );
  return { database: match[1]!, table: match[2]! };
}

/**
 * Makes the table where there is none, and looks whether it can be written to exactly once where there is.
 * @param kept columns with their types, where they are known: those of a query
 * @param runId of which nothing may be in the table yet
 * @throws MillraceError failed-precondition saying what the table lacks
 */
export async function ensureTable(
  clickhouse: ClickHouseClient,
  into: ScoresTable,
  score: string,
  kept: readonly QueryColumn[],
  runId: string,
): Promise<void> {
  const columns = kept.map(({ name, type }) => `${quoted(name)} ${type},`).join('\n    ');
  // A dollar stands for something where text is put in for text.
  const literally = (text: string): string => text.replaceAll('$', '$$$$');
  const parameters = { table: nameOf(into), kept: literally(columns), score: quoted(score) };
  try {
    await runSql(clickhouse, readSql('services/cli/sql/batch-scores.sql'), parameters);
  } catch (error) {
    throw clickHouseError(error, 'failed-precondition', `--table ${shown(into)}`);
  }
  const [found] = await rows<{ engine: string; create_table_query: string }>(
    clickhouse,
    'SELECT engine, create_table_query FROM system.tables WHERE database = {database: String} AND name = {table: String}',
    into,
  );
  checkEngine(into, found?.engine ?? '', found?.create_table_query ?? '');
  const has = await rows<{ name: string }>(
    clickhouse,
    'SELECT name FROM system.columns WHERE database = {database: String} AND table = {table: String}',
    into,
  );
  const needed = ['run_id', ...answerColumns(score), ...kept.map(({ name }) => name)];
  const missing = needed.filter((name) => !has.some((column) => column.name === name));
  if (missing.length > 0)
    throw new MillraceError(
      'failed-precondition',
      `--table ${shown(into)} has no column ${missing.join(', ')}; add it, choose others with --keep, or name a table that does not exist yet`,
    );
  const { rows: before } = await countRows(clickhouse, into, runId);
  if (before > 0)
    throw new MillraceError(
      'already-exists',
      `--table ${shown(into)} has ${before} rows of run ${runId} already; name another --run-id, or DELETE FROM ${shown(into)} WHERE run_id = '${runId}'`,
    );
}

function checkEngine(into: ScoresTable, engine: string, definition: string): void {
  const [, window] = /non_replicated_deduplication_window\s*=\s*(\d+)/.exec(definition) ?? [];
  const remembers = engine.startsWith('Replicated')
    ? !/\breplicated_deduplication_window\s*=\s*0\b/.test(definition)
    : engine.endsWith('MergeTree') && Number(window) > 0;
  if (!remembers)
    throw new MillraceError(
      'failed-precondition',
      `--table ${shown(into)} (${engine}) does not know a block that is inserted twice, so that a run which was broken off would write rows twice: ` +
        `ALTER TABLE ${shown(into)} MODIFY SETTING non_replicated_deduplication_window = 10000, or name a table that does not exist yet`,
    );
}

/**
 * Inserts a part of a file of JSON lines as one block, under a token: inserted again, with the same bytes, it is passed over.
 * @param token of the run, never another's: what comes under a known one is dropped without a word
 * @throws MillraceError unavailable where it may pass, failed-precondition where ClickHouse does not take the rows
 */
export async function insertBlock(
  clickhouse: ClickHouseClient,
  into: ScoresTable,
  columns: readonly string[],
  path: string,
  { number, from, to }: Block,
  token: string,
): Promise<void> {
  try {
    const { stream } = await clickhouse.exec({
      query: `INSERT INTO ${nameOf(into)} (${columns.map(quoted).join(', ')}) FORMAT JSONEachRow`,
      values: createReadStream(path, { start: from, end: to - 1 }),
      clickhouse_settings: {
        async_insert: 0,
        insert_deduplicate: 1,
        insert_deduplication_token: `${token}/${number}`,
        // One block, whatever it holds: its rows come into the table together or not at all.
        input_format_parallel_parsing: 0,
        date_time_input_format: 'best_effort',
      },
    });
    stream.resume();
    await new Promise((resolve, reject) => stream.once('end', resolve).once('error', reject));
  } catch (error) {
    throw clickHouseError(error, 'failed-precondition', 'ClickHouse');
  }
}

/** How many rows of a run are in the table, and how many numbers they have: the same, where each is there once. */
export async function countRows(
  clickhouse: ClickHouseClient,
  into: ScoresTable,
  runId: string,
): Promise<{ rows: number; distinct: number }> {
  const query = `SELECT count() AS rows, uniqExact(row) AS distinct FROM ${nameOf(into)} WHERE run_id = {runId: String}`;
  try {
    const result = await clickhouse.query({ query, query_params: { runId }, format: 'JSONEachRow' });
    const [counted] = await result.json<{ rows: number; distinct: number }>();
    return { rows: Number(counted?.rows), distinct: Number(counted?.distinct) };
  } catch (error) {
    throw clickHouseError(error, 'failed-precondition', 'ClickHouse');
  }
}

async function rows<T>(clickhouse: ClickHouseClient, query: string, { database, table }: ScoresTable): Promise<T[]> {
  return (await clickhouse.query({ query, query_params: { database, table }, format: 'JSONEachRow' })).json<T>();
}

const quoted = (name: string): string => `\`${name.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\``;
const nameOf = ({ database, table }: ScoresTable): string => `${quoted(database)}.${quoted(table)}`;
const shown = ({ database, table }: ScoresTable): string => `${database}.${table}`;
