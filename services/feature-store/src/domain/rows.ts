import { MillraceError } from '#libs/errors/millrace-error.js';
import type { StreamPlan } from './plans.js';

/** A valid event: its columns (timestamps as epoch ms) and its identity. */
export interface Row {
  readonly eventTimeMs: number;
  readonly partition: number;
  readonly offset: number;
  readonly columns: Record<string, unknown>;
}

/**
 * A request as a row of the spine stream: timestamps become epoch ms, derived columns are computed where they were left out.
 * @throws MillraceError invalid-argument naming the column
 */
export function requestRow(spine: StreamPlan, request: Record<string, unknown>): Record<string, unknown> {
  const row: Record<string, unknown> = {};
  for (const { name, type } of spine.columns) {
    const value = request[name];
    if (value === undefined || value === null) row[name] = null;
    else row[name] = type === 'timestamp' ? instant(name, value) : typed(name, type, value);
  }
  for (const { name, expression } of spine.derived) if (row[name] === null) row[name] = expression.evaluate(row);
  return row;
}

function instant(column: string, value: unknown): number {
  const ms = typeof value === 'number' ? value : Date.parse(String(value));
  if (!Number.isSafeInteger(ms))
    throw new MillraceError(
      'invalid-argument',
      `${column}: "${String(value)}" is neither epoch milliseconds nor RFC 3339`,
    );
  return ms;
}

function typed(column: string, type: string, value: unknown): unknown {
  const wanted = type === 'string' ? 'string' : type === 'bool' ? 'boolean' : 'number';
  if (typeof value !== wanted)
    throw new MillraceError('invalid-argument', `${column}: ${JSON.stringify(value)} is not a ${wanted}`);
  if ((type === 'int32' || type === 'int64') && !Number.isSafeInteger(value))
    throw new MillraceError('invalid-argument', `${column}: ${String(value)} is not a whole number`);
  return value;
}
