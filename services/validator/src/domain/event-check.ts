import type { StreamSpec } from '#libs/definitions/definition-kinds.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import { compileExpression } from '#libs/expressions/compile-expression.js';
import { compileColumn, type Reason, shown } from './column-check.js';
import { compileExpectation } from './expectation-check.js';

export type Checked =
  { readonly row: Record<string, unknown>; readonly eventTimeMs: number } | { readonly reasons: readonly Reason[] };

export type EventCheck = (value: Buffer | null) => Checked;

const maxReasons = 50;

/**
 * Whether an event keeps the stream's contract. Valid: its row, with every column in the schema's order, then the derived ones. Not: every reason at once;
 * what is derived or expected is looked at only where the columns are right.
 */
export function compileEventCheck(spec: StreamSpec): EventCheck {
  const columns = spec.schema.map((column) => ({ name: column.name, check: compileColumn(column) }));
  const known = new Set(columns.map(({ name }) => name));
  const types = Object.fromEntries(spec.schema.map(({ name, type }) => [name, type]));
  const derived = spec.derive.map(({ name, expression }) => ({
    name,
    expression: compileExpression(expression, types),
  }));
  const allTypes = { ...types, ...Object.fromEntries(spec.derive.map(({ name, type }) => [name, type])) };
  const expectations = spec.expectations.map((expectation) => compileExpectation(expectation, allTypes));
  return (value) => {
    const data = parse(value);
    if ('reason' in data) return { reasons: [data.reason] };
    const reasons: Reason[] = [];
    const row: Record<string, unknown> = {};
    for (const { name, check } of columns) {
      const checked = check(data.object[name]);
      if ('reason' in checked) reasons.push(checked.reason);
      else row[name] = checked.value;
    }
    for (const name of Object.keys(data.object))
      if (!known.has(name) && reasons.length < maxReasons)
        reasons.push({
          code: 'unknown-column',
          column: name.slice(0, 100),
          message: `${name.slice(0, 100)}: not a column of stream ${spec.name}`,
        });
    if (reasons.length > 0) return { reasons };
    for (const { name, expression } of derived) {
      try {
        row[name] = expression.evaluate(row);
      } catch (error) {
        reasons.push({
          code: 'derive-failed',
          column: name,
          message: `${name}: ${expression.source} has no value here: ${errorMessage(error).split('\n')[0]}`,
        });
      }
    }
    for (const expectation of expectations) {
      const reason = expectation(row);
      if (reason !== undefined) reasons.push(reason);
    }
    const eventTimeMs = row[spec.eventTime];
    if (typeof eventTimeMs !== 'number' && reasons.length === 0)
      reasons.push({
        code: 'missing-column',
        column: spec.eventTime,
        message: `${spec.eventTime} is null; an event needs its time`,
      });
    return reasons.length > 0 ? { reasons } : { row, eventTimeMs: eventTimeMs as number };
  };
}

function parse(value: Buffer | null): { object: Record<string, unknown> } | { reason: Reason } {
  try {
    const parsed: unknown = JSON.parse((value ?? Buffer.alloc(0)).toString());
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed))
      return { object: parsed as Record<string, unknown> };
    return {
      reason: { code: 'invalid-json', column: '', message: `the data is ${shown(parsed)}; one JSON object is right` },
    };
  } catch (error) {
    return { reason: { code: 'invalid-json', column: '', message: errorMessage(error).slice(0, 200) } };
  }
}
