import type { AskedRows } from './ask-rows.js';
import { beginning, type Place } from './input-row.js';
import type { Chunk } from './prepare-chunks.js';

/** A part of the local scores that goes into the table as one block, known there by its number. */
export interface Block {
  readonly number: number;
  readonly from: number;
  readonly to: number;
}

/** How far a run is: all that it needs to go on, written as a whole after each step. Lengths are of what is on the disk for certain; what lies beyond them does not count. */
export interface BatchProgress {
  readonly place: Place;
  /** The number of the next chunk. */
  readonly chunk: number;
  readonly outputBytes: number;
  readonly rejectedBytes: number;
  readonly answered: number;
  readonly rejected: number;
  readonly fallbacks: number;
  /** Rows by the version that answered them. */
  readonly versions: Readonly<Record<string, number>>;
  /** The block that is being inserted: it may be in the table already, and is inserted again as it was. */
  readonly inserting?: Block;
  /** Blocks that are in the table, and the bytes that they hold. */
  readonly inserted: { readonly blocks: number; readonly bytes: number };
  /** RFC 3339; absent = it has not ended. */
  readonly endedAt?: string;
}

export const nothingDone: BatchProgress = {
  place: beginning,
  chunk: 0,
  outputBytes: 0,
  rejectedBytes: 0,
  answered: 0,
  rejected: 0,
  fallbacks: 0,
  versions: {},
  inserted: { blocks: 0, bytes: 0 },
};

export interface DoneChunk extends AskedRows {
  readonly chunk: Chunk;
}

/** After more chunks, in order, whose rows are in the output. */
export function advanced(
  before: BatchProgress,
  done: readonly DoneChunk[],
  lengths: Pick<BatchProgress, 'outputBytes' | 'rejectedBytes'>,
): BatchProgress {
  const versions: Record<string, number> = { ...before.versions };
  let { answered, rejected, fallbacks } = before;
  for (const one of done) {
    answered += one.answered.length;
    rejected += one.rejected.length + one.chunk.rejections.length;
    for (const { answer } of one.answered) {
      versions[answer.version] = (versions[answer.version] ?? 0) + 1;
      if (answer.fallback) fallbacks += 1;
    }
  }
  const last = done.at(-1)?.chunk;
  const at = last === undefined ? {} : { place: last.end, chunk: last.number + 1 };
  return { ...before, ...at, ...lengths, answered, rejected, fallbacks, versions };
}

/** The next block that a table is due: the one under way, or one of `blockBytes` or more; at the end of a run whatever is left. Undefined = none. */
export function dueBlock(progress: BatchProgress, blockBytes: number, atEnd: boolean): Block | undefined {
  const { inserting, inserted, outputBytes } = progress;
  if (inserting !== undefined) return inserting;
  const bytes = outputBytes - inserted.bytes;
  if (bytes === 0 || (bytes < blockBytes && !atEnd)) return undefined;
  return { number: inserted.blocks, from: inserted.bytes, to: outputBytes };
}

/** After the block under way has come into the table. */
export function insertedBlock({ inserting, ...before }: BatchProgress): BatchProgress {
  if (inserting === undefined) return before;
  return { ...before, inserted: { blocks: inserting.number + 1, bytes: inserting.to } };
}
