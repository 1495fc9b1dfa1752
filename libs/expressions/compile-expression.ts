import { Environment } from '@marcbachmann/cel-js';
import type { ColumnType } from '#libs/definitions/definition-kinds.js';

export type { ColumnType };

/** An expression in CEL, checked once. */
export interface CompiledExpression {
  readonly source: string;
  /** Whole numbers are int64: CEL has no narrower one. */
  readonly type: ColumnType;
  /** Columns that it reads. */
  readonly reads: readonly string[];
  /**
   * @param row columns by name: string, number, boolean; timestamps as epoch ms; null or absent = null
   * @returns number (also for int64, exact within 2^53), string, boolean, epoch ms for a timestamp; null when any column that it reads is null
   * @throws Error where CEL has no value: division by zero, overflow, an int64 beyond 2^53
   */
  evaluate(row: Readonly<Record<string, unknown>>): number | string | boolean | null;
}

export type ExpressionErrorCode = 'syntax' | 'unknown-column' | 'type-mismatch' | 'not-built';

export class ExpressionError extends Error {
  constructor(
    readonly code: ExpressionErrorCode,
    message: string,
    /** Characters into the source. */
    readonly offset: number,
  ) {
    super(message);
    this.name = 'ExpressionError';
  }
}

const celTypes: Record<ColumnType, string> = {
  string: 'string',
  int32: 'int',
  int64: 'int',
  float64: 'double',
  bool: 'bool',
  timestamp: 'google.protobuf.Timestamp',
};
const columnTypes: Record<string, ColumnType> = {
  string: 'string',
  int: 'int64',
  double: 'float64',
  bool: 'bool',
  'google.protobuf.Timestamp': 'timestamp',
};
const toCel: Record<ColumnType, (value: never) => unknown> = {
  string: (value) => value,
  int32: (value: number) => BigInt(value),
  int64: (value: number) => BigInt(value),
  float64: (value) => value,
  bool: (value) => value,
  timestamp: (value: number) => new Date(value),
};
const maxLength = 2_000;

/**
 * Compiles CEL over typed columns. Own functions: clamp(x, low, high), for int and double.
 * @throws ExpressionError
 */
export function compileExpression(source: string, scope: Readonly<Record<string, ColumnType>>): CompiledExpression {
  if (source.length > maxLength)
    throw new ExpressionError(
      'syntax',
      `the expression has ${source.length} characters, at most ${maxLength} are taken`,
      0,
    );
  const { environment, unreadable } = environmentOf(scope);
  const parsed = parse(environment, source);
  const named = identifiers(parsed.ast);
  const clash = named.find(({ name }) => unreadable.has(name));
  if (clash !== undefined)
    throw new ExpressionError(
      'unknown-column',
      `\`${clash.name}\` has a meaning of its own in CEL, so an expression cannot read the column of that name; rename the column`,
      clash.start,
    );
  refuseLocalCalendars(parsed.ast);
  const reads = [...new Set(named.map(({ name }) => name))].filter((name) => Object.hasOwn(scope, name));
  const checked = parsed.check();
  if (!checked.valid) throw checkError(source, checked.error, scope);
  const type = columnTypes[checked.type ?? ''];
  if (type === undefined)
    throw new ExpressionError(
      'type-mismatch',
      `the expression gives ${checked.type}; a column is ${Object.keys(celTypes).join(', ')}`,
      0,
    );
  const converters = reads.map((name) => [name, toCel[scope[name]!]] as const);
  return {
    source,
    type,
    reads,
    evaluate(row) {
      const context: Record<string, unknown> = {};
      for (const [name, convert] of converters) {
        const value = row[name];
        if (value === null || value === undefined) return null;
        context[name] = convert(value as never);
      }
      return fromCel(parsed(context));
    },
  };
}

/** @returns unreadable = columns whose names CEL keeps for itself, as `type` or `int`: they may exist, and no expression can mean them */
function environmentOf(scope: Readonly<Record<string, ColumnType>>): {
  environment: Environment;
  unreadable: ReadonlySet<string>;
} {
  const environment = new Environment({ unlistedVariablesAreDyn: false })
    .registerFunction('clamp(int, int, int): int', (value: bigint, low: bigint, high: bigint) =>
      value < low ? low : value > high ? high : value,
    )
    .registerFunction('clamp(double, double, double): double', (value: number, low: number, high: number) =>
      Math.min(Math.max(value, low), high),
    );
  const unreadable = new Set<string>();
  for (const [name, type] of Object.entries(scope)) {
    try {
      environment.registerVariable(name, celTypes[type]);
    } catch {
      unreadable.add(name); // the one reason to refuse a well-formed name; said where an expression reads it
    }
  }
  return { environment, unreadable };
}

function parse(environment: Environment, source: string): ReturnType<Environment['parse']> {
  try {
    return environment.parse(source);
  } catch (error) {
    throw new ExpressionError('syntax', `"${source}": ${firstLine(error)}`, positionOf(error));
  }
}

/**
 * The engine computes the day of a year, and every part of a date in a named time zone, by way of the process's own zone: where that has a summer time,
 * another machine gives another number. Online and offline would differ. Every other part of a date is taken in UTC.
 */
function refuseLocalCalendars(ast: Node): void {
  const call = methodCalls(ast).find(
    ({ method, given }) => /^get[A-Z]/.test(method) && (method === 'getDayOfYear' || given > 0),
  );
  if (call === undefined) return;
  throw new ExpressionError(
    'not-built',
    `${call.method}${call.given > 0 ? ' in a time zone' : ''} is not built in this version: parts of a date are in UTC, by getFullYear, getMonth, getDate, getDayOfMonth, getDayOfWeek, getHours, getMinutes, getSeconds, getMilliseconds`,
    call.start,
  );
}

function methodCalls(node: Node): { method: string; given: number; start: number }[] {
  const inner = childrenOf(node.args).flatMap(methodCalls);
  return node.op === 'rcall'
    ? [{ method: node.args[0], given: node.args[2].length, start: node.start }, ...inner]
    : inner;
}

function checkError(source: string, error: unknown, scope: Readonly<Record<string, ColumnType>>): ExpressionError {
  const message = firstLine(error);
  const unknown = /Unknown variable:? ['"`]?([A-Za-z_][A-Za-z0-9_]*)/.exec(message)?.[1];
  const offset = positionOf(error);
  if (unknown === undefined) return new ExpressionError('type-mismatch', `"${source}": ${message}`, offset);
  return new ExpressionError(
    'unknown-column',
    `reads \`${unknown}\`; there is ${Object.keys(scope).join(', ')}`,
    offset,
  );
}

function firstLine(error: unknown): string {
  return (error as Error).message.split('\n')[0]!;
}

function positionOf(error: unknown): number {
  const { range, node } = error as { range?: { start: number }; node?: { start?: number } };
  return range?.start ?? node?.start ?? 0;
}

type Node = ReturnType<Environment['parse']>['ast'];

/** Names and where they stand, in the order of the source. */
function identifiers(node: Node): { name: string; start: number }[] {
  if (node.op === 'id') return [{ name: node.args, start: node.start }];
  return childrenOf(node.args).flatMap(identifiers);
}

function childrenOf(args: unknown): Node[] {
  if (Array.isArray(args)) return args.flatMap(childrenOf);
  return typeof args === 'object' && args !== null && 'op' in args ? [args as Node] : [];
}

function fromCel(value: unknown): number | string | boolean | null {
  if (typeof value === 'bigint') return exact(value);
  if (value === null || typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean')
    return value;
  if (value instanceof Date) return value.getTime();
  throw new Error(`an expression gave a ${typeof value}`); // the check has refused every other type
}

function exact(value: bigint): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new RangeError(`${value} is beyond 2^53`);
  return number;
}
