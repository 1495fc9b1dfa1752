import { createClient } from '@clickhouse/client';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import { until } from '#libs/testing/until.js';

export interface LoggedPrediction {
  readonly prediction_id: string;
  readonly request_id: string;
  readonly cached: boolean;
  readonly infer_us: number;
  readonly score: number;
  readonly model_version: string;
}

/** What the log has of an endpoint, once it has all of these. @param ids of predictions that were answered @throws Error when one is not there within half a minute */
export async function loggedPredictions(endpoint: string, ids: ReadonlySet<string>): Promise<LoggedPrediction[]> {
  const clickhouse = createClient({ url: getTestInfrastructure().CLICKHOUSE_URL });
  const query =
    'SELECT prediction_id, request_id, cached, infer_us, score, model_version FROM monitoring.predictions WHERE endpoint = {endpoint: String}';
  const read = async (): Promise<LoggedPrediction[]> => {
    const rows = await clickhouse.query({ query, query_params: { endpoint }, format: 'JSONEachRow' });
    return rows.json<LoggedPrediction>();
  };
  try {
    await until(async () => {
      const there = new Set((await read()).map((row) => row.prediction_id));
      return [...ids].every((id) => there.has(id));
    }, 'every answered prediction in the log');
    return await read();
  } finally {
    await clickhouse.close();
  }
}
