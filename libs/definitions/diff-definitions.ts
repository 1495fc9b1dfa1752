import { canonicalJson } from './canonical-json.js';
import { formatDuration } from './duration.js';

const maxPaths = 100;

/** What differs, as `features.count_7d.window: 7d -> 14d`; `+` and `-` before what came and went. Lists of named things are compared by name. Empty = the same. */
export function diffSpecs(before: unknown, after: unknown): string[] {
  return differences('', before, after).slice(0, maxPaths);
}

function differences(path: string, before: unknown, after: unknown): string[] {
  if (canonicalJson(before) === canonicalJson(after)) return [];
  if (before === undefined) return [`+ ${path}: ${shown(path, after)}`];
  if (after === undefined) return [`- ${path}: ${shown(path, before)}`];
  const [a, b] = [fieldsOf(before), fieldsOf(after)];
  if (a === undefined || b === undefined) return [`${path}: ${shown(path, before)} -> ${shown(path, after)}`];
  const found = [...new Set([...a.keys(), ...b.keys()])].flatMap((key) =>
    differences(path === '' ? key : `${path}.${key}`, a.get(key), b.get(key)),
  );
  return found.length > 0 ? found : [`${path}: order changed`];
}

/** Maps, and lists of named things; undefined = compared whole. */
function fieldsOf(value: unknown): Map<string, unknown> | undefined {
  if (Array.isArray(value)) {
    const names = value.map((item) => (item as { name?: unknown } | null)?.name);
    return names.every((name) => typeof name === 'string')
      ? new Map(value.map((item, i) => [names[i] as string, item]))
      : undefined;
  }
  return typeof value === 'object' && value !== null ? new Map(Object.entries(value)) : undefined;
}

function shown(path: string, value: unknown): string {
  if (path.endsWith('Ms') && typeof value === 'number') return formatDuration(value);
  const text = typeof value === 'string' ? value : canonicalJson(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
