import { isMap, isScalar, LineCounter, parseAllDocuments, type Document, type Node, type Pair } from 'yaml';
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { readSql as readText } from '#libs/storage/sql-file.js';
import { type Kind, kinds } from './definition-kinds.js';
import { didYouMean, type Problem, type ProblemCode } from './problem.js';

export interface SourceText {
  readonly path: string;
  readonly text: string;
}

export type YamlPath = readonly (string | number)[];

/** A document that keeps its schema, and where everything in it stands. */
export interface ParsedDocument {
  readonly kind: Kind;
  readonly name: string;
  readonly raw: Readonly<Record<string, unknown>>;
  /** @param offset characters into a scalar, e.g. of an expression; ofKey = where the key stands */
  problem(path: YamlPath, code: ProblemCode, message: string, offset?: number): Problem;
}

/** Instead of an offset: the place of the key, not of its value. */
export const ofKey = -1;
const maxFiles = 1_000;
const maxBytes = 1024 * 1024;
const validators = new Map<Kind, ValidateFunction>();

interface Parsed {
  readonly documents: ParsedDocument[];
  readonly problems: Problem[];
  /** `<Kind>/<name>` of documents that were left out: what refers to them is not wrong for that. */
  readonly broken: readonly string[];
}

/** Reads YAML, one or many documents a text, and holds each against the schema of its kind. Every problem is found, and a document with one is left out. */
export function parseDocuments(sources: readonly SourceText[]): Parsed {
  if (sources.length > maxFiles)
    return {
      broken: [],
      documents: [],
      problems: [
        {
          path: sources[maxFiles]!.path,
          line: 1,
          column: 1,
          code: 'too-large',
          message: `${sources.length} files, at most ${maxFiles} are taken`,
        },
      ],
    };
  const parsed = sources.map(parseText);
  return {
    documents: parsed.flatMap(({ documents }) => documents),
    problems: parsed.flatMap(({ problems }) => problems),
    broken: parsed.flatMap(({ broken }) => broken),
  };
}

function parseText({ path, text }: SourceText): Parsed {
  if (text.length > maxBytes)
    return {
      broken: [],
      documents: [],
      problems: [
        {
          path,
          line: 1,
          column: 1,
          code: 'too-large',
          message: `${text.length} characters, at most ${maxBytes} are taken`,
        },
      ],
    };
  const lines = new LineCounter();
  const documents: ParsedDocument[] = [];
  const problems: Problem[] = [];
  const broken: string[] = [];
  for (const document of parseAllDocuments(text, {
    lineCounter: lines,
    uniqueKeys: true,
    strict: true,
  }) as Document.Parsed[]) {
    if (document.errors.length > 0) {
      problems.push(
        ...document.errors.map((error) =>
          at(path, lines, error.pos[0], 'yaml-syntax', error.message.split('\n')[0]!.replace(/ at line .*$/, '')),
        ),
      );
      continue;
    }
    if (document.contents === null) continue;
    const read = readDocument(path, document, lines);
    if ('problems' in read) {
      problems.push(...read.problems);
      broken.push(`${String(document.get('kind'))}/${String(document.get('name'))}`);
    } else documents.push(read);
  }
  return { documents, problems, broken };
}

function readDocument(
  path: string,
  document: Document.Parsed,
  lines: LineCounter,
): ParsedDocument | { problems: Problem[] } {
  const problem = (yamlPath: YamlPath, code: ProblemCode, message: string, offset = 0): Problem =>
    at(path, lines, positionOf(document, yamlPath, offset), code, message);
  const raw: unknown = document.toJS({ maxAliasCount: 100 });
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw))
    return { problems: [problem([], 'invalid-value', 'a definition is a map with `kind` and `name`')] };
  const { kind, name } = raw as { kind?: unknown; name?: unknown };
  if (kind === 'Monitor' || kind === 'Policy')
    return { problems: [problem(['kind'], 'not-built', `kind ${kind} is not built in this version`)] };
  if (!kinds.includes(kind as Kind))
    return {
      problems: [
        problem(
          ['kind'],
          'unknown-kind',
          `kind ${JSON.stringify(kind) ?? 'is missing'}; a kind is ${kinds.join(', ')}${didYouMean(String(kind), kinds)}`,
        ),
      ],
    };
  const validate = validatorOf(kind as Kind);
  if (!validate(raw)) return { problems: schemaProblems(validate.errors ?? [], raw, problem) };
  return { kind: kind as Kind, name: String(name), raw: raw as Record<string, unknown>, problem };
}

function validatorOf(kind: Kind): ValidateFunction {
  let validator = validators.get(kind);
  if (validator === undefined) {
    validator = new Ajv({ allErrors: true, strict: false, verbose: true }).compile(
      JSON.parse(readText(`libs/definitions/schemas/${kind.toLowerCase()}.schema.json`)) as object,
    );
    validators.set(kind, validator);
  }
  return validator;
}

type Report = ParsedDocument['problem'];

/** One problem for each place: of an anyOf, what its alternatives say together; never the same place twice. */
function schemaProblems(errors: readonly ErrorObject[], raw: unknown, problem: Report): Problem[] {
  const inAlternatives = new Set(
    errors.filter(({ keyword }) => keyword === 'anyOf').map(({ instancePath }) => instancePath),
  );
  const found = new Map<string, Problem>();
  for (const error of errors) {
    const path = pathOf(error.instancePath, raw);
    if (
      error.keyword === 'anyOf' &&
      errors.some((other) => other !== error && other.instancePath.startsWith(`${error.instancePath}/`))
    )
      continue;
    if (
      error.keyword !== 'anyOf' &&
      inAlternatives.has(error.instancePath) &&
      !['additionalProperties', 'required'].includes(error.keyword)
    )
      continue;
    const made = schemaProblem(error, path, problem);
    found.set(`${made.line}:${made.column}:${made.code}`, made);
  }
  return [...found.values()];
}

function schemaProblem(error: ErrorObject, path: YamlPath, problem: Report): Problem {
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
    case 'propertyNames':
      return problem(
        [...path, String(params['propertyName'])],
        'invalid-value',
        `${String(params['propertyName'])}: a name is lower case letters, digits and '_', beginning with a letter`,
      );
    case 'enum':
      return problem(
        path,
        'invalid-value',
        `${field}: ${JSON.stringify(error.data)}; it is one of ${(params['allowedValues'] as unknown[]).join(', ')}${didYouMean(String(error.data), (params['allowedValues'] as unknown[]).map(String))}`,
      );
    default: {
      const wanted = error.parentSchema?.['description'];
      return problem(
        path,
        'invalid-value',
        `${field}: ${JSON.stringify(error.data)} ${error.message ?? 'is wrong'}${typeof wanted === 'string' ? `; it is ${wanted}` : ''}`,
      );
    }
  }
}

/** ajv's JSON pointer as keys; an index where the value is an array. */
function pathOf(pointer: string, raw: unknown): YamlPath {
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

/** Of the value at a path; of its key where the value is a map, or of the nearest parent that exists. */
function positionOf(document: Document.Parsed, path: YamlPath, offset: number): number {
  for (let length = path.length; length > 0; length--) {
    const node = document.getIn(path.slice(0, length), true) as Node | undefined;
    const pair = pairOf(document, path.slice(0, length));
    const target =
      isScalar(node) && offset !== ofKey && length === path.length ? node : ((pair?.key as Node | undefined) ?? node);
    if (target?.range)
      return (
        target.range[0] + (length === path.length && isScalar(target) && offset > 0 ? offset + quoteOf(target) : 0)
      );
  }
  return (document.contents as Node | null)?.range?.[0] ?? 0;
}

function quoteOf(node: { type?: string }): number {
  return node.type === 'QUOTE_SINGLE' || node.type === 'QUOTE_DOUBLE' ? 1 : 0;
}

function pairOf(document: Document.Parsed, path: YamlPath): Pair | undefined {
  const parent = path.length === 1 ? document.contents : (document.getIn(path.slice(0, -1), true) as Node | undefined);
  return isMap(parent) ? parent.items.find((pair) => isScalar(pair.key) && pair.key.value === path.at(-1)) : undefined;
}

function at(path: string, lines: LineCounter, position: number, code: ProblemCode, message: string): Problem {
  const { line, col } = lines.linePos(position);
  return { path, line, column: col, code, message };
}
