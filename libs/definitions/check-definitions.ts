import { canonicalJson } from './canonical-json.js';
import { checkers } from './check-kinds.js';
import { type Kind, kinds, type Specs } from './definition-kinds.js';
import { normalise } from './normalise.js';
import { type ParsedDocument, parseDocuments, type SourceText } from './parse-documents.js';
import { byPlace, type Problem } from './problem.js';

export type { SourceText } from './parse-documents.js';

export interface CheckedDefinition {
  readonly kind: Kind;
  readonly name: string;
  readonly spec: Specs[Kind];
}

/**
 * Checks documents together, and together with what was applied before: names, types, references, expressions. Every problem is found, sorted by place.
 * @param existing normalised specs by `<Kind>/<name>`; a document replaces the one of its name
 * @returns definitions in the order in which they depend on each other; meaningful only when there is no problem
 */
export function checkDefinitions(
  sources: readonly SourceText[],
  existing: ReadonlyMap<string, Specs[Kind]>,
): { problems: Problem[]; definitions: CheckedDefinition[] } {
  const { documents, problems, broken } = parseDocuments(sources);
  const unique = withoutDuplicates(documents, problems);
  const specs = new Map(existing);
  const find = <K extends Kind>(kind: K, name: string): Specs[K] | undefined =>
    specs.get(`${kind}/${name}`) as Specs[K] | undefined;
  const known = <K extends Kind>(kind: K): string[] =>
    [...specs.keys()].filter((key) => key.startsWith(`${kind}/`)).map((key) => key.slice(kind.length + 1));
  const isBroken = (kind: Kind, name: string): boolean => broken.includes(`${kind}/${name}`);
  const definitions: CheckedDefinition[] = [];
  for (const kind of kinds) {
    for (const document of unique.filter((candidate) => candidate.kind === kind)) {
      const spec = checkers[kind](normalise(kind, document.raw, find) as never, {
        find,
        known,
        isBroken,
        raw: document.raw,
        report: (...problem) => void problems.push(document.problem(...problem)),
      });
      specs.set(`${kind}/${document.name}`, spec);
      definitions.push({ kind, name: document.name, spec });
    }
    for (const [key, spec] of existing) {
      if (!key.startsWith(`${kind}/`) || unique.some((document) => `${document.kind}/${document.name}` === key))
        continue;
      checkApplied(kind, key, spec, { find, known, isBroken }, problems);
    }
  }
  return { problems: problems.sort(byPlace), definitions };
}

/** What was applied before must hold beside the new documents: a stream cannot lose the column that a view reads. */
function checkApplied(
  kind: Kind,
  key: string,
  spec: Specs[Kind],
  context: Pick<Parameters<(typeof checkers)[Kind]>[1], 'find' | 'known' | 'isBroken'>,
  problems: Problem[],
): void {
  const found: Problem[] = [];
  const checked = checkers[kind](spec as never, {
    ...context,
    raw: {},
    report: (path, code, message) =>
      void found.push({
        path: `${key} (applied before)`,
        line: 1,
        column: 1,
        code,
        message: `${path.join('.')}: ${message}`,
      }),
  });
  if (found.length === 0 && canonicalJson(checked) !== canonicalJson(spec))
    found.push({
      path: `${key} (applied before)`,
      line: 1,
      column: 1,
      code: 'type-mismatch',
      message: 'would change its types with this; apply it together',
    });
  problems.push(...found);
}

function withoutDuplicates(documents: readonly ParsedDocument[], problems: Problem[]): ParsedDocument[] {
  const first = new Map<string, ParsedDocument>();
  return documents.filter((document) => {
    const key = `${document.kind}/${document.name}`;
    const earlier = first.get(key);
    if (earlier === undefined) return first.set(key, document);
    const { path, line } = earlier.problem(['name'], 'duplicate-definition', '');
    problems.push(
      document.problem(
        ['name'],
        'duplicate-definition',
        `${document.kind} ${document.name} is already defined at ${path}:${line}`,
      ),
    );
    return false;
  });
}
