import { type CheckContext, isRegex, requireColumn, type Scope } from './check-context.js';
import type { ColumnType, Expectation } from './definition-kinds.js';
import { type ArgumentType, expectations } from './expectations.js';
import { didYouMean, ofKey, type YamlPath } from './problem.js';
import { timestampMs } from './timestamp.js';

/** Reports every argument of an expectation that is unknown, missing, or not of the type that the expectation and its column need. */
export function checkExpectation(
  { name, arguments: given }: Expectation,
  i: number,
  scope: Scope,
  stream: string,
  context: CheckContext,
): void {
  const path = ['expectations', i, name];
  const known = Object.hasOwn(expectations, name) ? expectations[name] : undefined;
  const names = Object.keys(expectations);
  if (known === undefined)
    return context.report(
      path,
      'unknown-expectation',
      `${name}: not evaluated here; there is ${names.join(', ')}${didYouMean(name, names)}`,
    );
  for (const group of known.needs)
    if (group.every((argument) => given[argument] === undefined))
      context.report(path, 'missing-field', `${group.join(' or ')}: ${name} needs ${group.length > 1 ? 'one' : 'it'}`);
  const all = Object.keys(known.arguments);
  const types: (ColumnType | undefined)[] = [];
  for (const [argument, value] of Object.entries(given)) {
    const at: YamlPath = [...path, argument];
    const wanted = known.arguments[argument];
    if (wanted === undefined)
      context.report(
        at,
        'unknown-field',
        `${argument}: not an argument of ${name}; it has ${all.join(', ')}${didYouMean(argument, all)}`,
        ofKey,
      );
    else if (wanted.endsWith('column')) types.push(columnOf(value, wanted, at, scope, stream, context));
  }
  if (types.length === 2 && types[0] !== undefined && types[1] !== undefined && family(types[0]) !== family(types[1]))
    context.report(path, 'type-mismatch', `${name} compares ${types[0]} with ${types[1]}`);
  for (const [argument, value] of Object.entries(given)) {
    const right = wrongArgument(value, known.arguments[argument], types[0]);
    if (right !== undefined)
      context.report(
        [...path, argument],
        'invalid-value',
        `${argument}: ${JSON.stringify(value).slice(0, 80)}; it is ${right}`,
      );
  }
}

function columnOf(
  value: unknown,
  wanted: ArgumentType,
  path: YamlPath,
  scope: Scope,
  stream: string,
  context: CheckContext,
): ColumnType | undefined {
  if (typeof value !== 'string') {
    context.report(path, 'invalid-value', `${path.at(-1)}: ${JSON.stringify(value)}; it is the name of a column`);
    return undefined;
  }
  const type = requireColumn(value, scope, path, stream, context);
  const has = type === undefined ? wanted : `${family(type)} column`;
  if (wanted === 'column' || has === wanted) return type;
  context.report(path, 'type-mismatch', `${value} is ${type}, ${String(path.at(-2))} needs a ${wanted.split(' ')[0]}`);
  return undefined;
}

/** Timestamps are numbers here: their order is what is asked for. */
function family(type: ColumnType): string {
  return type === 'string' || type === 'bool' ? type : 'number';
}

/** What would be right; undefined = it is. Of a column with a mistake of its own nothing is said. */
function wrongArgument(
  value: unknown,
  wanted: ArgumentType | undefined,
  type: ColumnType | undefined,
): string | undefined {
  switch (wanted) {
    case 'flag':
      return typeof value === 'boolean' ? undefined : 'true or false';
    case 'length':
      return Number.isSafeInteger(value) && (value as number) >= 0 ? undefined : 'a whole number from 0';
    case 'regex':
      return typeof value === 'string' && isRegex(value) ? undefined : 'a regular expression';
    case 'bound':
      return type === undefined ? undefined : wrongValue(value, type);
    case 'values': {
      const filled = Array.isArray(value) && value.length > 0 && value.length <= 1_000;
      if (!filled) return 'a list of 1 to 1000 values';
      const wrong = type && value.map((one) => wrongValue(one, type)).find((right) => right !== undefined);
      return wrong && `a list, and each in it is ${wrong}`;
    }
    default:
      return undefined;
  }
}

/** What a value of a column of this type would be; undefined = it is one. */
export function wrongValue(value: unknown, type: ColumnType): string | undefined {
  if (type === 'timestamp')
    return timestampMs(value) === undefined ? 'a timestamp (RFC 3339, or epoch milliseconds)' : undefined;
  if (type === 'string' || type === 'bool')
    return typeof value === (type === 'bool' ? 'boolean' : 'string') ? undefined : `a ${type}, as its column`;
  return Number.isFinite(value) ? undefined : 'a number, as its column';
}
