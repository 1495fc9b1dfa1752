/** The closed list of what can be wrong with definitions. */
export type ProblemCode =
  | 'yaml-syntax'
  | 'too-large'
  | 'unknown-kind'
  | 'unknown-field'
  | 'missing-field'
  | 'invalid-value'
  | 'duplicate-definition'
  | 'unknown-reference'
  | 'unknown-column'
  | 'unknown-feature'
  | 'unknown-expectation'
  | 'expression-syntax'
  | 'type-mismatch'
  | 'not-built';

export interface Problem {
  readonly path: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  readonly code: ProblemCode;
  /** What is wrong, and what would be right. */
  readonly message: string;
}

/** Of names; longer texts are not near any. */
const maxNameLength = 200;

export type YamlPath = readonly (string | number)[];

/** A problem at a place of a document. @param offset characters into a scalar, e.g. of an expression; ofKey = where the key stands */
export type ReportAt = (path: YamlPath, code: ProblemCode, message: string, offset?: number) => Problem;

/** Instead of an offset: the place of the key, not of its value. */
export const ofKey = -1;

export function byPlace(a: Problem, b: Problem): number {
  return a.path.localeCompare(b.path) || a.line - b.line || a.column - b.column || a.code.localeCompare(b.code);
}

/** ` (did you mean x?)` with the nearest known name; empty when none is near. */
export function didYouMean(wrong: string, known: Iterable<string>): string {
  const nearest = nearestName(wrong, known);
  return nearest === undefined ? '' : ` (did you mean ${nearest}?)`;
}

/** The known name that is nearest to a wrong one; undefined when none is near. */
export function nearestName(wrong: string, known: Iterable<string>): string | undefined {
  if (wrong.length > maxNameLength) return undefined;
  const ranked = [...known]
    .map((name) => ({ name, distance: editDistance(wrong.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  const best = ranked[0];
  return best !== undefined && best.distance <= Math.max(1, Math.floor(wrong.length / 3)) ? best.name : undefined;
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++)
      current[j] = Math.min(previous[j]! + 1, current[j - 1]! + 1, previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    previous = current;
  }
  return previous[b.length]!;
}
