import type { CheckedDefinition } from '#libs/definitions/check-definitions.js';
import { canonicalJson, digestOf } from '#libs/definitions/canonical-json.js';
import type { Kind, Specs } from '#libs/definitions/definition-kinds.js';
import { diffSpecs } from '#libs/definitions/diff-definitions.js';

export interface StoredDefinition {
  readonly kind: Kind;
  readonly name: string;
  readonly generation: number;
  readonly digest: string;
  readonly spec: Specs[Kind];
  readonly deleted: boolean;
  readonly changedMs: number;
}

export interface PlannedChange {
  readonly kind: Kind;
  readonly name: string;
  readonly action: 'create' | 'change' | 'delete' | 'unchanged';
  /** What differs, for a person. */
  readonly paths: readonly string[];
  readonly generation: number;
  readonly digest: string;
  /** Canonical JSON. */
  readonly specText: string;
}

/** What applying definitions would do to what is stored; a deleted one that comes back counts on from its last generation. */
export function planChanges(
  definitions: readonly CheckedDefinition[],
  stored: ReadonlyMap<string, StoredDefinition>,
): PlannedChange[] {
  return definitions.map(({ kind, name, spec }) => {
    const before = stored.get(`${kind}/${name}`);
    const [digest, specText] = [digestOf(spec), canonicalJson(spec)];
    if (before === undefined || before.deleted)
      return { kind, name, action: 'create', paths: [], generation: (before?.generation ?? 0) + 1, digest, specText };
    if (before.digest === digest)
      return { kind, name, action: 'unchanged', paths: [], generation: before.generation, digest, specText };
    return {
      kind,
      name,
      action: 'change',
      paths: diffSpecs(before.spec, spec),
      generation: before.generation + 1,
      digest,
      specText,
    };
  });
}
