import { isMap, isScalar, LineCounter, parseAllDocuments, visit, type Document, type Node, type Pair } from 'yaml';
import { Ajv, type ValidateFunction } from 'ajv';
import { readSql as readText } from '#libs/storage/sql-file.js';
import { type Kind, kinds } from './definition-kinds.js';
import { didYouMean, ofKey, type Problem, type ProblemCode, type ReportAt, type YamlPath } from './problem.js';
import { repaired } from './repair-document.js';
import { schemaProblems } from './schema-problems.js';

export interface SourceText {
  readonly path: string;
  readonly text: string;
}

/** A document that keeps its schema, or would but for mistakes that are reported already, and where everything in it stands. */
export interface ParsedDocument {
  readonly kind: Kind;
  readonly name: string;
  readonly raw: Readonly<Record<string, unknown>>;
  readonly problem: ReportAt;
}

const maxFiles = 1_000;
const maxBytes = 1024 * 1024;
/** Of one document: after that the parser has lost its way. */
const maxSyntaxProblems = 20;
const validators = new Map<Kind, ValidateFunction>();

interface Parsed {
  readonly documents: ParsedDocument[];
  readonly problems: Problem[];
  /** `<Kind>/<name>` of documents that were left out: what refers to them is not wrong for that. */
  readonly broken: string[];
}

/** Reads YAML, one or many documents a text, and holds each against the schema of its kind. Every problem is found; a document that cannot be understood for them is left out. */
export function parseDocuments(sources: readonly SourceText[]): Parsed {
  if (sources.length > maxFiles)
    return tooLarge(sources[maxFiles]!.path, `${sources.length} files, at most ${maxFiles} are taken`);
  const parsed = sources.map(parseText);
  return {
    documents: parsed.flatMap(({ documents }) => documents),
    problems: parsed.flatMap(({ problems }) => problems),
    broken: parsed.flatMap(({ broken }) => broken),
  };
}

function tooLarge(path: string, message: string): Parsed {
  return { documents: [], broken: [], problems: [{ path, line: 1, column: 1, code: 'too-large', message }] };
}

function parseText({ path, text }: SourceText): Parsed {
  if (text.length > maxBytes) return tooLarge(path, `${text.length} characters, at most ${maxBytes} are taken`);
  const lines = new LineCounter();
  const found: Parsed = { documents: [], problems: [], broken: [] };
  const options = { lineCounter: lines, uniqueKeys: false, strict: true, logLevel: 'silent' } as const;
  for (const document of parseAllDocuments(text, options) as Document.Parsed[]) {
    if (document.contents === null && document.errors.length === 0) continue;
    const errors = [...document.errors.map(({ pos, message }) => ({ at: pos[0], message })), ...repeatedKeys(document)];
    const read = errors.length > 0 ? syntaxProblems(path, errors, lines) : readDocument(path, document, lines);
    found.problems.push(...read.problems);
    if (read.document !== undefined) found.documents.push(read.document);
    else found.broken.push(...namesOf(document));
  }
  return found;
}

interface Read {
  readonly document?: ParsedDocument;
  readonly problems: readonly Problem[];
}

interface SyntaxError {
  /** Characters into the text. */
  readonly at: number;
  readonly message: string;
}

/** The parser compares each key with all others, which takes seconds where a map has thousands. */
function repeatedKeys(document: Document.Parsed): SyntaxError[] {
  const repeated: SyntaxError[] = [];
  visit(document, {
    Map(_, { items }) {
      const seen = new Set<unknown>();
      for (const { key } of items) {
        if (!isScalar(key)) continue;
        if (seen.has(key.value))
          repeated.push({ at: key.range?.[0] ?? 0, message: `the key ${String(key.value)} comes twice` });
        seen.add(key.value);
      }
    },
  });
  return repeated;
}

/** One for each place: what is wrong there makes the parser stumble again. */
function syntaxProblems(path: string, errors: readonly SyntaxError[], lines: LineCounter): Read {
  const problems = new Map<string, Problem>();
  for (const { at: position, message } of errors) {
    const text = message.split('\n')[0]!.replace(/ at line .*$/, '');
    const nested = text.includes('call stack');
    const found = at(path, lines, position, nested ? 'too-large' : 'yaml-syntax', nested ? 'nested too deeply' : text);
    const place = `${found.line}:${found.column}`;
    if (!problems.has(place)) problems.set(place, found);
    if (nested || problems.size === maxSyntaxProblems) break;
  }
  return { problems: [...problems.values()] };
}

/** What a document that is left out defines, as far as one can tell; of a kind that does not exist, any. */
function namesOf(document: Document.Parsed): string[] {
  const [kind, name] = [String(document.get('kind')), String(document.get('name'))];
  return kinds.includes(kind as Kind) ? [`${kind}/${name}`] : kinds.map((any) => `${any}/${name}`);
}

function readDocument(path: string, document: Document.Parsed, lines: LineCounter): Read {
  const problem: ReportAt = (yamlPath, code, message, offset = 0) =>
    at(path, lines, positionOf(document, yamlPath, offset), code, message);
  const read = valueOf(document);
  if ('unresolved' in read) return { problems: [problem([], 'yaml-syntax', read.unresolved)] };
  const raw = read.value;
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw))
    return { problems: [problem([], 'invalid-value', 'a definition is a map with `kind` and `name`')] };
  const { kind, name } = raw as { kind?: unknown; name?: unknown };
  if (!kinds.includes(kind as Kind)) return { problems: [unknownKind(kind, problem)] };
  const validate = validatorOf(kind as Kind);
  const problems = validate(raw) ? [] : schemaProblems(validate.errors ?? [], raw, problem);
  const usable =
    problems.length === 0 ? (raw as Record<string, unknown>) : repaired(raw as Record<string, unknown>, validate);
  if (usable === undefined) return { problems };
  return { problems, document: { kind: kind as Kind, name: String(name), raw: usable, problem } };
}

/** Aliases are only followed now: one may have no anchor, or stand for more than memory holds. */
function valueOf(document: Document.Parsed): { value: unknown } | { unresolved: string } {
  try {
    return { value: document.toJS({ maxAliasCount: 100 }) };
  } catch (error) {
    if (error instanceof ReferenceError) return { unresolved: error.message };
    throw error;
  }
}

function unknownKind(kind: unknown, problem: ReportAt): Problem {
  const message = kind === undefined ? 'kind: missing' : `kind ${JSON.stringify(kind).slice(0, 80)}`;
  const near = typeof kind === 'string' ? didYouMean(kind, kinds) : '';
  return problem(['kind'], 'unknown-kind', `${message}; a kind is ${kinds.join(', ')}${near}`);
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
