import type { ErrorObject } from 'ajv';
import { didYouMean, nearestName, ofKey, type Problem, type ReportAt, type YamlPath } from './problem.js';

/** More than anybody reads: a document that is wrong from end to end is cut off here. */
const maxProblems = 100;

/** What other tools call the types of columns. */
const typesElsewhere: Readonly<Record<string, string>> = {
  int: 'int32',
  integer: 'int64',
  long: 'int64',
  bigint: 'int64',
  number: 'float64',
  float: 'float64',
  double: 'float64',
  boolean: 'bool',
  text: 'string',
  varchar: 'string',
  date: 'timestamp',
  datetime: 'timestamp',
};

/** What ajv found, one problem for each mistake: of an anyOf, what its alternatives say together. */
export function schemaProblems(errors: readonly ErrorObject[], raw: unknown, problem: ReportAt): Problem[] {
  const relevant = relevantErrors(errors);
  const found = new Map<string, Problem>();
  for (const error of relevant.slice(0, maxProblems)) {
    const made = schemaProblem(error, pathOf(error.instancePath, raw), problem);
    const { missingProperty: missing } = error.params as { missingProperty?: string };
    found.set(`${made.line}:${made.column}:${made.code}:${missing ?? ''}`, made);
  }
  if (relevant.length > maxProblems)
    found.set('', problem([], 'too-large', `${relevant.length - maxProblems} more problems in this definition`));
  return [...found.values()];
}

/** Without what an alternative says that the whole, or something further in, says better. */
export function relevantErrors(errors: readonly ErrorObject[]): ErrorObject[] {
  const isExact = ({ keyword }: ErrorObject): boolean => keyword === 'additionalProperties' || keyword === 'required';
  const alternatives = new Set(
    errors.filter(({ keyword }) => keyword === 'anyOf').map(({ instancePath }) => instancePath),
  );
  const explained = new Set(errors.filter(isExact).map(({ instancePath }) => instancePath));
  for (const { instancePath } of errors)
    for (let end = instancePath.lastIndexOf('/'); end >= 0; end = instancePath.lastIndexOf('/', end - 1)) {
      explained.add(instancePath.slice(0, end));
      if (end === 0) break;
    }
  return errors.filter((error) => {
    if (error.propertyName !== undefined) return false; // `propertyNames` says it
    if (error.keyword === 'if') return false; // what its branch asks for says it
    if (error.keyword === 'anyOf') return !explained.has(error.instancePath);
    return isExact(error) || error.keyword === 'propertyNames' || !alternatives.has(error.instancePath);
  });
}

/** ajv's JSON pointer as keys; an index where the value is an array. */
export function pathOf(pointer: string, raw: unknown): YamlPath {
  let value = raw;
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((key) => {
      const step = Array.isArray(value) ? Number(key) : key;
      value = (value as Record<string | number, unknown>)[step];
      return step;
    });
}

function schemaProblem(error: ErrorObject, path: YamlPath, problem: ReportAt): Problem {
  const field = path.join('.') || 'the definition';
  const params = error.params as Record<string, unknown>;
  switch (error.keyword) {
    case 'additionalProperties': {
      const unknown = String(params['additionalProperty']);
      const known = Object.keys((error.parentSchema?.['properties'] as object | undefined) ?? {});
      return problem(
        [...path, unknown],
        'unknown-field',
        `${unknown}: not a field here; the fields are ${known.join(', ')}${didYouMean(unknown, known)}`,
        ofKey,
      );
    }
    case 'required':
      return problem(path, 'missing-field', `${String(params['missingProperty'])}: missing in ${field}`);
    case 'propertyNames': {
      const name = String(params['propertyName']);
      return problem(
        [...path, name],
        'invalid-value',
        `"${name}": a name is lower case letters, digits and '_', beginning with a letter`,
        ofKey,
      );
    }
    case 'enum':
    case 'anyOf':
      return problem(path, 'invalid-value', `${field}: ${shown(error.data)}; ${oneOf(error)}`);
    default: {
      const wanted = error.parentSchema?.['description'];
      return problem(
        path,
        'invalid-value',
        `${field}: ${shown(error.data)} ${error.message ?? 'is wrong'}${typeof wanted === 'string' ? `; it is ${wanted}` : ''}`,
      );
    }
  }
}

interface Alternative {
  readonly enum?: readonly unknown[];
  readonly description?: string;
  readonly type?: string | readonly string[];
}

/** What would be right, with the nearest of the values that are listed. */
function oneOf(error: ErrorObject): string {
  const alternatives = alternativesOf(error);
  const values = listedValues(error);
  const others = alternatives
    .filter((alternative) => alternative.enum === undefined)
    .map(({ description, type }) => description ?? (type === 'object' ? 'a map' : `a ${String(type)}`));
  const listed = [...(values.length > 0 ? [`one of ${values.join(', ')}`] : []), ...new Set(others)];
  const nearest = nearestValue(error);
  return `it is ${listed.join(', or ')}${nearest === undefined ? '' : ` (did you mean ${nearest}?)`}`;
}

/** Of the values that an enum, or an alternative that is one, lists. */
export function nearestValue(error: ErrorObject): string | undefined {
  const values = listedValues(error);
  if (typeof error.data !== 'string') return undefined;
  const elsewhere = Object.hasOwn(typesElsewhere, error.data) ? typesElsewhere[error.data] : undefined;
  return elsewhere !== undefined && values.includes(elsewhere) ? elsewhere : nearestName(error.data, values);
}

function alternativesOf({ parentSchema, keyword }: ErrorObject): readonly Alternative[] {
  return (keyword === 'anyOf' ? parentSchema?.['anyOf'] : [parentSchema]) as readonly Alternative[];
}

function listedValues(error: ErrorObject): string[] {
  return alternativesOf(error)
    .flatMap((alternative) => alternative.enum ?? [])
    .map(String);
}

function shown(data: unknown): string {
  const text = JSON.stringify(data) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
