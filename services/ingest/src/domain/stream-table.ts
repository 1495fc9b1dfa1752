import type { Kind, SourceSpec, StreamSpec } from '#libs/definitions/definition-kinds.js';
import { MillraceError } from '#libs/errors/millrace-error.js';

/** The streams that events may enter, and the sources that feed them. */
export class StreamTable {
  private readonly streams = new Map<string, StreamSpec>();
  private readonly sources = new Map<string, SourceSpec>();

  /** @param spec undefined = deleted */
  set(kind: Kind, name: string, spec: unknown): void {
    const table = (kind === 'Stream' ? this.streams : kind === 'Source' ? this.sources : undefined) as
      Map<string, unknown> | undefined;
    if (spec === undefined) table?.delete(name);
    else table?.set(name, spec);
  }

  /** @throws MillraceError not-found */
  stream(name: string): StreamSpec {
    return need('stream', name, this.streams);
  }

  /** @throws MillraceError not-found */
  source(name: string): SourceSpec {
    return need('source', name, this.sources);
  }

  streamNames(): string[] {
    return [...this.streams.keys()];
  }
}

function need<T>(what: string, name: string, table: ReadonlyMap<string, T>): T {
  const found = table.get(name);
  if (found === undefined)
    throw new MillraceError(
      'not-found',
      `${what}: "${name}" is not defined; there is ${[...table.keys()].join(', ') || 'none'}`,
    );
  return found;
}
