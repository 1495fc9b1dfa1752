import { MillraceError } from '#libs/errors/millrace-error.js';
import { type EndpointColumn, type EndpointInputs, wholeVector } from './endpoint-inputs.js';

/** What of the input's columns is sent, and what of them stands in the output. */
export interface RunColumns {
  readonly sent: readonly EndpointColumn[];
  /** Each row has its vector in the column `features`; nothing is fetched. */
  readonly vectors: boolean;
  readonly kept: readonly string[];
}

/** What an output row says beside the kept columns, in this order. */
export function answerColumns(score: string): string[] {
  return ['row', score, 'prediction_id', 'model_version', 'fallback'];
}

/**
 * Decided once, for all rows. Columns that the endpoint does not take are not sent, and may be kept.
 * @param header names of the input's columns: of a CSV file its header, of JSON lines the keys of the first row; empty = there are no rows
 * @param keep names; undefined = all but the vectors
 * @throws MillraceError invalid-argument naming the column that is missing, or would come twice in the output
 */
export function runColumns(
  endpoint: string,
  inputs: EndpointInputs,
  header: readonly string[],
  keep: readonly string[] | undefined,
): RunColumns {
  if (header.length === 0) return { sent: [], vectors: false, kept: [...(keep ?? [])] };
  const has = new Set(header);
  checkOnce(header);
  const vectors = has.has(wholeVector) && !inputs.columns.some(({ name }) => name === wholeVector);
  const missing = inputs.columns.filter(({ name, optional }) => !vectors && !optional && !has.has(name));
  if (missing.length > 0)
    throw new MillraceError(
      'invalid-argument',
      `the input has no column ${missing.map(({ name }) => `"${name}"`).join(', ')}, which endpoint ${endpoint} takes; it has ${header.join(', ') || 'none'}`,
    );
  const sent = inputs.columns.filter(({ name }) => has.has(name));
  return { sent, vectors, kept: keptColumns(header, keep, inputs.score) };
}

function keptColumns(header: readonly string[], keep: readonly string[] | undefined, score: string): string[] {
  const taken = ['run_id', ...answerColumns(score)];
  const kept = keep ?? header.filter((name) => name !== wholeVector);
  for (const name of kept) {
    if (!header.includes(name))
      throw new MillraceError(
        'invalid-argument',
        `--keep "${name}": the input has no such column; it has ${header.join(', ')}`,
      );
    if (taken.includes(name))
      throw new MillraceError(
        'invalid-argument',
        `the input's column "${name}" would stand twice in the output, which has ${taken.join(', ')} of its own; choose others with --keep`,
      );
  }
  return [...kept];
}

function checkOnce(header: readonly string[]): void {
  const twice = header.find((name, i) => header.indexOf(name) !== i);
  if (twice !== undefined)
    throw new MillraceError('invalid-argument', `the input has the column "${twice}" twice; rename one of them`);
}
