import { errorMessage, MillraceError } from '#libs/errors/millrace-error.js';
import { wholeVector } from './endpoint-inputs.js';
import type { InputRow, Place, Rejection } from './input-row.js';
import { type Cell, readCell, readVector } from './read-cell.js';
import type { RunColumns } from './run-columns.js';

/** A row that can be sent. */
export interface PreparedRow {
  readonly row: number;
  readonly line: number;
  /** Of the sent columns, in their order. */
  readonly cells: readonly Cell[];
  readonly vector: Float32Array | undefined;
  /** Of the kept columns, in their order, as they were read. */
  readonly kept: readonly unknown[];
}

/** What is asked in one request, and stands in the output as a whole or not at all. */
export interface Chunk {
  /** Counted from 0. The same rows have the same number, however often a run was broken off. */
  readonly number: number;
  readonly rows: readonly PreparedRow[];
  readonly rejections: readonly Rejection[];
  /** Behind its last row. */
  readonly end: Place;
}

export interface ChunkBounds {
  readonly rows: number;
  /** Of the input, as it lies in the file: what is sent of it has at most some times as many. */
  readonly bytes: number;
}

/**
 * Cuts rows into chunks by what the input says alone, so that they are the same again.
 * @param start where the rows begin, and which chunk that is
 * @param width numbers of a vector; undefined = as many as the first row has
 */
export async function* prepareChunks(
  rows: AsyncIterable<InputRow>,
  columns: RunColumns,
  bounds: ChunkBounds,
  start: { readonly place: Place; readonly chunk: number },
  width: number | undefined,
): AsyncGenerator<Chunk> {
  const prepare = preparer(columns, width);
  let number = start.chunk;
  let begin = start.place;
  let prepared: PreparedRow[] = [];
  let rejections: Rejection[] = [];
  const finish = (end: Place): Chunk => {
    const chunk = { number, rows: prepared, rejections, end };
    number += 1;
    begin = end;
    prepared = [];
    rejections = [];
    return chunk;
  };
  let last = begin;
  for await (const row of rows) {
    last = row.end;
    const one = prepare(row);
    if ('reason' in one) rejections.push(one);
    else prepared.push(one);
    if (last.row - begin.row >= bounds.rows || last.offset - begin.offset >= bounds.bytes) yield finish(last);
  }
  if (last.row > begin.row) yield finish(last);
}

function preparer(
  { sent, vectors, kept }: RunColumns,
  firstWidth: number | undefined,
): (row: InputRow) => PreparedRow | Rejection {
  let width = firstWidth;
  const read = (columns: Readonly<Record<string, unknown>>, { row, line }: Place): PreparedRow => {
    const cells = sent.map(({ name, datatype }) => readCell(name, datatype, columns[name]));
    const vector = vectors ? readVector(wholeVector, columns[wholeVector], width) : undefined;
    width ??= vector?.length;
    return { row, line, cells, vector, kept: kept.map((name) => keptValue(name, columns[name])) };
  };
  return ({ end, columns, problem }) => {
    if (columns === undefined) return { row: end.row, line: end.line, reason: problem ?? 'cannot be read' };
    try {
      return read(columns, end);
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      return { row: end.row, line: end.line, reason: errorMessage(error) };
    }
  };
}

/** The largest that ClickHouse and others have, 2^64; beyond it is what was a fraction's exponent. */
const largestInteger = 2 ** 64;

/** A number that JSON has changed as it was read is not handed on as if it were right. */
function keptValue(name: string, value: unknown): unknown {
  if (
    typeof value === 'number' &&
    Number.isInteger(value) &&
    !Number.isSafeInteger(value) &&
    Math.abs(value) <= largestInteger
  )
    throw new MillraceError(
      'invalid-argument',
      `column "${name}": a whole number beyond 2^53, which a number of JSON does not hold exactly; write it as text, or leave it out with --keep`,
    );
  return value;
}
