import type { ClickHouseClient } from '@clickhouse/client';
import { errorMessage, MillraceError } from '#libs/errors/millrace-error.js';
import { readSql } from '#libs/storage/sql-file.js';
import type { LoggedPrediction } from '../domain/trace-sources.js';

const maxSeconds = 30;

/** The prediction log, which the monitor keeps in ClickHouse; it is read only. */
export class PredictionReader {
  private readonly query = readSql('services/governance/sql/prediction.sql');

  constructor(private readonly clickhouse: ClickHouseClient) {}

  /** Undefined = no prediction of this id is in the log. @throws MillraceError unavailable when the log cannot be read */
  async read(predictionId: string): Promise<LoggedPrediction | undefined> {
    try {
      const result = await this.clickhouse.query({
        query: this.query,
        query_params: { id: predictionId },
        format: 'JSONEachRow',
        clickhouse_settings: { max_execution_time: maxSeconds },
      });
      return (await result.json<LoggedPrediction>())[0];
    } catch (error) {
      throw new MillraceError('unavailable', `the prediction log cannot be read: ${errorMessage(error)}`, {
        cause: error,
      });
    }
  }
}
