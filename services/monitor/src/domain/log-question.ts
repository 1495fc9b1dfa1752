import type { ListPredictionsRequest } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { decodeCursor } from './log-cursor.js';

const usualRows = 50;
export const mostRows = 1_000;
const mostCharacters = 256;
/** DateTime64(3) ends in 2299. */
const farFutureMs = 10_000_000_000_000;

/** The parameters of predictions-page.sql. */
export interface LogQuestion {
  readonly endpoint: string;
  readonly version: string;
  readonly arm: string;
  readonly from: number;
  readonly to: number;
  readonly predictionId: string;
  readonly joinKey: string;
  readonly stickyKey: string;
  readonly label: string;
  readonly anyScore: boolean;
  readonly minScore: number;
  readonly maxScore: number;
  readonly fallbackOnly: boolean;
  readonly limit: number;
  readonly beforeMs: number;
  readonly beforeId: string;
}

/**
 * A request as it is asked of the log. Both scores 0 = any score, one that is no number too.
 * @throws MillraceError invalid-argument, naming the field, its value and what would be right
 */
export function questionOf(request: ListPredictionsRequest): LogQuestion {
  checkTexts(request);
  checkOneOf('arm', request.arm, ['live', 'canary']);
  checkOneOf('label', request.label, ['known', 'missing']);
  const before = request.before === '' ? undefined : decodeCursor(request.before);
  return {
    endpoint: request.endpoint,
    version: request.modelVersion,
    arm: request.arm,
    ...timesOf(request),
    predictionId: request.predictionId,
    joinKey: request.joinKey,
    stickyKey: request.stickyKey,
    label: request.label,
    ...scoresOf(request),
    fallbackOnly: request.fallbackOnly,
    limit: limitOf(request),
    beforeMs: before?.asOfMs ?? 0,
    beforeId: before?.predictionId ?? '',
  };
}

function checkTexts(request: ListPredictionsRequest): void {
  const { endpoint, modelVersion, predictionId, joinKey, stickyKey } = request;
  const texts = {
    endpoint,
    model_version: modelVersion,
    prediction_id: predictionId,
    join_key: joinKey,
    sticky_key: stickyKey,
  };
  for (const [field, text] of Object.entries(texts))
    if (text.length > mostCharacters) throw refused(field, `${text.length} characters, at most ${mostCharacters}`);
}

function checkOneOf(field: string, value: string, allowed: readonly string[]): void {
  if (value !== '' && !allowed.includes(value))
    throw refused(field, `"${value.slice(0, 100)}" is none of ${allowed.join(', ')}; empty = any`);
}

function timesOf({ fromMs, toMs }: ListPredictionsRequest): Pick<LogQuestion, 'from' | 'to'> {
  for (const [field, value] of [['from_ms', fromMs] as const, ['to_ms', toMs] as const])
    if (!Number.isSafeInteger(value) || value < 0 || value > farFutureMs)
      throw refused(field, `${value} is not epoch milliseconds from 0 to ${farFutureMs}`);
  if (toMs !== 0 && fromMs >= toMs) throw refused('from_ms', `${fromMs} is not before to_ms ${toMs}`);
  return { from: fromMs, to: toMs };
}

function scoresOf(request: ListPredictionsRequest): Pick<LogQuestion, 'anyScore' | 'minScore' | 'maxScore'> {
  const [minScore, maxScore] = [request.minScore, request.maxScore || 1];
  for (const [field, value] of [['min_score', minScore] as const, ['max_score', request.maxScore] as const])
    if (!Number.isFinite(value)) throw refused(field, `${value} is not a number`);
  if (minScore > maxScore) throw refused('min_score', `${minScore} is more than max_score ${maxScore}`);
  return { anyScore: request.minScore === 0 && request.maxScore === 0, minScore, maxScore };
}

function limitOf({ limit }: ListPredictionsRequest): number {
  if (limit > mostRows) throw refused('limit', `${limit}, at most ${mostRows}; ask for the next page with before`);
  return limit || usualRows;
}

function refused(field: string, problem: string): MillraceError {
  return new MillraceError('invalid-argument', `${field}: ${problem}`);
}
