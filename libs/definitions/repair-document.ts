import type { ErrorObject, ValidateFunction } from 'ajv';
import { nearestName, type YamlPath } from './problem.js';
import { nearestValue, pathOf, relevantErrors } from './schema-problems.js';

type Raw = Record<string, unknown>;

const maxRounds = 5;
/** What other definitions read: with a part of these left out, they would be told of mistakes that they do not have. */
const structural = new Set(['kind', 'name', 'schema', 'derive', 'entity', 'features', 'label', 'task', 'spine', 'as']);

/** Durations that contradict no other: a window is within any ttl. */
const [shortest, longest] = ['1s', '999999d'];

/**
 * A document as it would be without the mistakes that its schema has found, so that the other mistakes in it, and in what refers to it, are found at once too.
 * Unknown fields and optional fields of a wrong value are left out; a value that is nearly one of its list is taken for that one; a wrong name stays. Paths stay what they are.
 * @returns undefined where too much would have to be guessed
 */
export function repaired(raw: Raw, validate: ValidateFunction): Raw | undefined {
  const copy = structuredClone(raw);
  for (let round = 0; round < maxRounds; round++) {
    validate(copy);
    const errors = relevantErrors(validate.errors ?? []).filter(({ keyword }) => keyword !== 'propertyNames');
    if (errors.length === 0) return copy;
    if (!errors.every((error) => repair(copy, error))) return undefined;
  }
  return undefined;
}

function repair(raw: Raw, error: ErrorObject): boolean {
  const path = pathOf(error.instancePath, raw);
  if (error.keyword === 'additionalProperties') return dropUnknown(raw, path, error);
  if (error.keyword === 'enum' || error.keyword === 'anyOf') {
    const nearest = nearestValue(error);
    if (nearest !== undefined) return replace(raw, path, nearest);
  }
  if (String(error.parentSchema?.['description']).startsWith('a duration'))
    return replace(raw, path, path.at(-1) === 'ttl' ? longest : shortest);
  return drop(raw, path);
}

/** Not where it was perhaps meant to be something that others read. */
function dropUnknown(raw: Raw, path: YamlPath, { params, parentSchema }: ErrorObject): boolean {
  const unknown = String((params as Raw)['additionalProperty']);
  const known = Object.keys((parentSchema?.['properties'] as object | undefined) ?? {});
  if (structural.has(nearestName(unknown, known) ?? '')) return false;
  const parent = valueAt(raw, path);
  return typeof parent === 'object' && parent !== null && Reflect.deleteProperty(parent, unknown);
}

/** The value, or the whole list that it is in: what comes after it in a list keeps its place. */
function drop(raw: Raw, path: YamlPath): boolean {
  const inList = path.findIndex((step) => typeof step === 'number');
  const dropped = inList === -1 ? path : path.slice(0, inList);
  const isAttribute = dropped.length > 2;
  if (dropped.length === 0 || (structural.has(String(dropped[0])) && !isAttribute)) return false;
  const parent = valueAt(raw, dropped.slice(0, -1));
  return typeof parent !== 'object' || parent === null || Reflect.deleteProperty(parent, dropped.at(-1)!);
}

function replace(raw: Raw, path: YamlPath, value: string): boolean {
  const parent = valueAt(raw, path.slice(0, -1));
  return typeof parent === 'object' && parent !== null && Reflect.set(parent, path.at(-1)!, value);
}

function valueAt(raw: unknown, path: YamlPath): unknown {
  return path.reduce<unknown>(
    (value, step) =>
      typeof value === 'object' && value !== null ? (value as Record<string | number, unknown>)[step] : undefined,
    raw,
  );
}
