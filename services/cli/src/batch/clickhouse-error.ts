import { errorMessage, MillraceError, type ErrorCode } from '#libs/errors/millrace-error.js';

/** Of the moment: too many queries, the network, memory, too many parts, no quorum, read-only for now. */
const passing = [202, 209, 210, 241, 242, 252];

/**
 * What a call to ClickHouse broke with: unavailable where it may pass, or nobody answered.
 * @param otherwise for what ClickHouse refuses @param where begins the message
 */
export function clickHouseError(error: unknown, otherwise: ErrorCode, where: string): MillraceError {
  const text = (error as { code?: unknown }).code;
  const code = typeof text === 'string' ? Number(text) : Number.NaN;
  const isAway = !Number.isInteger(code) || passing.includes(code);
  return new MillraceError(isAway ? 'unavailable' : otherwise, `${where}: ${errorMessage(error)}`, { cause: error });
}
