import type { ColumnSpec } from '#libs/definitions/definition-kinds.js';
import { timestampMs } from '#libs/definitions/timestamp.js';

export interface Reason {
  /** invalid-json | unknown-column | missing-column | type-mismatch | out-of-range | pattern-mismatch | not-in-set | derive-failed | an expectation's name */
  readonly code: string;
  readonly column: string;
  readonly message: string;
}

/** What the column's value is in the row: timestamps as epoch ms, absent as null. A reason where it is wrong. */
export type ColumnCheck = (value: unknown) => { readonly value: unknown } | { readonly reason: Reason };

const maxInt32 = 2 ** 31 - 1;

export function compileColumn(column: ColumnSpec): ColumnCheck {
  const { name, nullable } = column;
  const typed = typeCheck(column);
  const constrained = constraints(column);
  return (given) => {
    if (given === undefined || given === null) {
      if (nullable) return { value: null };
      return { reason: { code: 'missing-column', column: name, message: `${name} is missing; the schema needs it` } };
    }
    const value = typed(given);
    if (value === undefined)
      return {
        reason: {
          code: 'type-mismatch',
          column: name,
          message: `${name} is ${shown(given)}, which is not ${described[column.type]}`,
        },
      };
    for (const constraint of constrained) {
      const wrong = constraint(value);
      if (wrong !== undefined)
        return { reason: { code: wrong.code, column: name, message: `${name} is ${shown(given)}, ${wrong.right}` } };
    }
    return { value };
  };
}

const described: Record<ColumnSpec['type'], string> = {
  string: 'a string',
  int32: 'an int32',
  int64: 'an int64 (within 2^53)',
  float64: 'a number',
  bool: 'true or false',
  timestamp: 'a timestamp (RFC 3339, or epoch milliseconds)',
};

/** Undefined = of another type. */
function typeCheck({ type }: ColumnSpec): (value: unknown) => unknown {
  switch (type) {
    case 'string':
      return (value) => (typeof value === 'string' ? value : undefined);
    case 'int32':
      return (value) => (Number.isInteger(value) && Math.abs(value as number) <= maxInt32 ? value : undefined);
    case 'int64':
      return (value) => (Number.isSafeInteger(value) ? value : undefined);
    case 'float64':
      return (value) => (typeof value === 'number' ? value : undefined);
    case 'bool':
      return (value) => (typeof value === 'boolean' ? value : undefined);
    case 'timestamp':
      return timestampMs;
  }
}

type Constraint = (value: unknown) => { code: string; right: string } | undefined;

function constraints({ minimum, maximum, pattern, enum: values }: ColumnSpec): Constraint[] {
  const made: Constraint[] = [];
  if (minimum !== undefined)
    made.push((value) =>
      (value as number) < minimum ? { code: 'out-of-range', right: `at least ${minimum} is right` } : undefined,
    );
  if (maximum !== undefined)
    made.push((value) =>
      (value as number) > maximum ? { code: 'out-of-range', right: `at most ${maximum} is right` } : undefined,
    );
  if (pattern !== undefined) {
    const regex = new RegExp(pattern, 'u');
    made.push((value) =>
      regex.test(value as string) ? undefined : { code: 'pattern-mismatch', right: `it must match ${pattern}` },
    );
  }
  if (values !== undefined) {
    const set = new Set<unknown>(values);
    made.push((value) =>
      set.has(value) ? undefined : { code: 'not-in-set', right: `one of ${values.slice(0, 20).join(', ')} is right` },
    );
  }
  return made;
}

/** A value as a message shows it: cut off, and of an object or a list only what it is, however deep it goes. */
export function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object';
  const text = JSON.stringify(value) ?? 'undefined';
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
