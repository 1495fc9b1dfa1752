import type { ColumnType, Kind, Specs, StreamSpec } from './definition-kinds.js';
import { didYouMean, type ProblemCode, type YamlPath } from './problem.js';

export interface CheckContext {
  find<K extends Kind>(kind: K, name: string): Specs[K] | undefined;
  known(kind: Kind): string[];
  /** It is in the folder, and has a problem of its own. */
  isBroken(kind: Kind, name: string): boolean;
  /** The document as written; empty for one that was applied before. */
  readonly raw: Readonly<Record<string, unknown>>;
  report(path: YamlPath, code: ProblemCode, message: string, offset?: number): void;
}

export type Scope = Readonly<Record<string, ColumnType>>;

/** The columns of a stream's rows, derived ones too. */
export function scopeOf(stream: StreamSpec): Scope {
  return Object.fromEntries([...stream.schema, ...stream.derive].map(({ name, type }) => [name, type]));
}

/** A definition that another names; undefined after a report. */
export function requireDefinition<K extends Kind>(
  kind: K,
  name: string,
  path: YamlPath,
  context: CheckContext,
): Specs[K] | undefined {
  const found = context.find(kind, name);
  if (found === undefined && !context.isBroken(kind, name)) {
    const known = context.known(kind);
    context.report(
      path,
      'unknown-reference',
      `there is no ${kind} ${name}; there is ${known.join(', ') || 'none'}${didYouMean(name, known)}`,
    );
  }
  return found;
}

/** The type of a column; undefined after a report. */
export function requireColumn(
  name: string,
  scope: Scope,
  path: YamlPath,
  stream: string,
  { report }: CheckContext,
): ColumnType | undefined {
  const columns = Object.keys(scope);
  if (Object.hasOwn(scope, name)) return scope[name];
  report(
    path,
    'unknown-column',
    `${name}: not a column of stream ${stream}; it has ${columns.join(', ')}${didYouMean(name, columns)}`,
  );
  return undefined;
}

export function isRegex(pattern: string): boolean {
  try {
    return new RegExp(pattern, 'u') instanceof RegExp;
  } catch {
    return false; // the caller says so at its place
  }
}
