import type { ClickHouseClient } from '@clickhouse/client';
import { errorMessage, MillraceError } from '#libs/errors/millrace-error.js';
import { readSql } from '#libs/storage/sql-file.js';
import type { LogQuestion } from '../domain/log-question.js';

/** A row of predictions-page.sql. */
export interface LogRow {
  readonly predictionId: string;
  readonly endpoint: string;
  readonly model: string;
  readonly modelVersion: string;
  readonly arm: string;
  readonly asOfMs: number;
  readonly answeredAtMs: number;
  readonly joinKey: string;
  readonly stickyKey: string;
  readonly score: number;
  /** Null = none yet, or not within the horizon. */
  readonly label: number | null;
  /** stream | feedback; empty = no label. */
  readonly labelSource: string;
  /** JSON. */
  readonly request: string;
  /** NaN = null. */
  readonly features: readonly number[];
  readonly featureServiceDigest: string;
  readonly fallback: boolean;
  readonly latencyUs: number;
  readonly caller: string;
  readonly rolloutId: string;
  readonly rolloutStep: number;
  /** Of the latency: the waits for the vector and for the score. */
  readonly featuresUs: number;
  readonly inferUs: number;
  readonly cached: boolean;
  readonly explained: boolean;
  readonly payloadSampledOut: boolean;
}

type JsonNumber = number | 'nan' | '-nan' | 'inf' | '-inf';
type JsonRow = Omit<LogRow, 'score' | 'features'> & {
  readonly score: JsonNumber;
  readonly features: readonly JsonNumber[];
};

/** A filter by label joins as many of the newest rows as these, then all: of two million rows that takes seconds, and the newest mostly suffice. */
const labelScans = [20_000, 500_000];
const everything = Number.MAX_SAFE_INTEGER;

/** Reads the prediction log, joined with labels. */
export class PredictionsReader {
  constructor(private readonly client: ClickHouseClient) {}

  /** At most `limit` rows, newest as_of first. @throws MillraceError unavailable */
  async page(question: LogQuestion): Promise<LogRow[]> {
    if (question.label === '') return this.select(question, question.limit);
    for (const scan of labelScans) {
      const rows = await this.select(question, scan);
      if (rows.length === question.limit) return rows;
    }
    return this.select(question, everything);
  }

  private async select(question: LogQuestion, scan: number): Promise<LogRow[]> {
    try {
      const result = await this.client.query({
        query: readSql('services/monitor/sql/predictions-page.sql'),
        query_params: { ...question, scan },
        format: 'JSONEachRow',
        clickhouse_settings: { output_format_json_quote_denormals: 1 },
      });
      return (await result.json<JsonRow>()).map((row) => ({
        ...row,
        score: numberOf(row.score),
        features: row.features.map(numberOf),
      }));
    } catch (error) {
      const message = `the prediction log (CLICKHOUSE_URL) does not answer: ${errorMessage(error)}`;
      throw new MillraceError('unavailable', message, { cause: error });
    }
  }
}

/** JSON has no infinity and no NaN: ClickHouse quotes them. */
function numberOf(value: JsonNumber): number {
  if (typeof value === 'number') return value;
  return value === 'inf' ? Infinity : value === '-inf' ? -Infinity : Number.NaN;
}
