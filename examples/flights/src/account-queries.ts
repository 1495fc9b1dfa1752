import type { ClickHouseClient } from '@clickhouse/client';

/** What the account asks ClickHouse itself. */
export async function countValid(clickhouse: ClickHouseClient, streams: readonly string[]): Promise<number> {
  const counts = streams.map((stream) => `(SELECT count() FROM features.stream_${stream.replaceAll('-', '_')} FINAL)`);
  const [row] = await select<{ n: number }>(clickhouse, `SELECT ${counts.join(' + ')} AS n`, {});
  return Number(row!.n);
}

export async function countReasons(
  clickhouse: ClickHouseClient,
  streams: readonly string[],
): Promise<Record<string, number>> {
  const query = `SELECT arrayJoin(arrayMap((code, column) -> if(column = '', code, concat(code, ' ', column)), reasons.code, reasons.column)) AS key, count() AS n
    FROM validation.quarantined FINAL WHERE stream IN {streams: Array(String)} GROUP BY key ORDER BY n DESC LIMIT 5`;
  return counted(clickhouse, query, { streams });
}

/** By the day of arrival, UTC. */
export async function quarantinedByDay(clickhouse: ClickHouseClient, stream: string): Promise<Record<string, number>> {
  const query = `SELECT substring(JSONExtractString(base64Decode(data_base64), 'arrived_at'), 1, 10) AS key, count() AS n
    FROM validation.quarantined FINAL WHERE stream = {stream: String} GROUP BY key`;
  return counted(clickhouse, query, { stream });
}

export interface ScoredInTime {
  readonly labelled: number;
  readonly auc: number;
  readonly logloss: number;
}

/**
 * What a version said of the departures in [fromMs, toMs), as an answer or in the shadow of one, against what became true. While a version is being rolled out this knows all of its
 * predictions; which of them were answers depends on when a step ended.
 */
export async function answersAndShadows(
  clickhouse: ClickHouseClient,
  { endpoint, version, fromMs, toMs }: { endpoint: string; version: string; fromMs: number; toMs: number },
): Promise<ScoredInTime> {
  const query = `WITH asked AS (
      SELECT prediction_id, model_version, score, label FROM monitoring.predictions_labelled
      WHERE endpoint = {endpoint: String} AND label IS NOT NULL
        AND as_of >= fromUnixTimestamp64Milli({fromMs: Int64}) AND as_of < fromUnixTimestamp64Milli({toMs: Int64})
    ), said AS (
      SELECT score, label FROM asked WHERE model_version = {version: String}
      UNION ALL
      SELECT s.score AS score, a.label AS label FROM monitoring.shadow_predictions AS s INNER JOIN asked AS a ON a.prediction_id = s.primary_id
      WHERE s.endpoint = {endpoint: String} AND s.model_version = {version: String}
    )
    SELECT count() AS labelled, arrayROCAUC(groupArray(score), groupArray(toUInt8(label))) AS auc,
      avg(-log(greatest(1e-7, if(label = 1, toFloat64(score), 1 - toFloat64(score))))) AS logloss FROM said`;
  const [row] = await select<ScoredInTime>(clickhouse, query, { endpoint, version, fromMs, toMs });
  return { labelled: Number(row!.labelled), auc: Number(row!.auc), logloss: Number(row!.logloss) };
}

export interface LoggedRow {
  readonly prediction_id: string;
  readonly fallback: boolean;
}

/** What the log has of an endpoint, answered from an instant of the wall clock on. */
export async function loggedRows(clickhouse: ClickHouseClient, endpoint: string, from: number): Promise<LoggedRow[]> {
  const query =
    'SELECT prediction_id, fallback FROM monitoring.predictions WHERE endpoint = {endpoint: String} AND answered_at >= fromUnixTimestamp64Milli({from: Int64})';
  return select(clickhouse, query, { endpoint, from });
}

async function counted(
  clickhouse: ClickHouseClient,
  query: string,
  parameters: Record<string, unknown>,
): Promise<Record<string, number>> {
  const rows = await select<{ key: string; n: number }>(clickhouse, query, parameters);
  return Object.fromEntries(rows.map(({ key, n }) => [key, Number(n)]));
}

async function select<T>(
  clickhouse: ClickHouseClient,
  query: string,
  parameters: Record<string, unknown>,
): Promise<T[]> {
  return (await clickhouse.query({ query, query_params: parameters, format: 'JSONEachRow' })).json<T>();
}
