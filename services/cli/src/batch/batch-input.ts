import { createHash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { InputFormat } from '../domain/batch/batch-plan.js';
import { beginning, type InputRow, type Place } from '../domain/batch/input-row.js';
import { readJsonLines } from '../domain/batch/json-lines.js';
import { readCsv, readCsvHeader } from './read-csv.js';
import { readParquet, readParquetHead } from './read-parquet.js';

/** A file of rows, which does not change while it is read. */
export interface BatchInput {
  readonly header: readonly string[];
  /** What `Place.offset` ends with. */
  readonly end: number;
  readonly bytes: number;
  readonly sha256: string;
  rows(start: Place): AsyncGenerator<InputRow>;
  /** @throws MillraceError failed-precondition where the file was written to since it was opened */
  checkUnchanged(): void;
}

/** Reads the file once, for its digest. @throws MillraceError invalid-argument naming the file and what is wrong with it */
export async function openInput(path: string, format: InputFormat): Promise<BatchInput> {
  const before = statOf(path);
  const { header, end, rows } = await openers[format](path);
  return {
    header,
    end: end ?? before.size,
    bytes: before.size,
    sha256: await digestOf(path),
    rows,
    checkUnchanged: () => {
      const now = statOf(path);
      if (now.size !== before.size || now.mtimeMs !== before.mtimeMs)
        throw new MillraceError(
          'failed-precondition',
          `${path} was changed while it was read; put it back, or begin anew with --fresh`,
        );
    },
  };
}

interface Opened extends Pick<BatchInput, 'header' | 'rows'> {
  /** Undefined = the file's length. */
  readonly end?: number;
}

const openers: Record<InputFormat, (path: string) => Promise<Opened>> = {
  jsonl: async (path) => {
    const rows = (start: Place) => readJsonLines(createReadStream(path, { start: start.offset }), start);
    return { header: await keysOfFirst(path, rows(beginning)), rows };
  },
  csv: async (path) => {
    const header = await readCsvHeader(path);
    return { header: header.names, rows: (start) => readCsv(path, header, start) };
  },
  parquet: async (path) => {
    const { names, rows: end } = await readParquetHead(path);
    return { header: names, end, rows: (start) => readParquet(path, start) };
  },
};

/** No rows have no keys. */
async function keysOfFirst(path: string, rows: AsyncGenerator<InputRow>): Promise<string[]> {
  for await (const { columns, problem, end } of rows) {
    if (columns !== undefined) return Object.keys(columns);
    throw new MillraceError(
      'invalid-argument',
      `${path}: line ${end.line}: ${problem}; the first row says which columns there are`,
    );
  }
  return [];
}

function statOf(path: string): { size: number; mtimeMs: number } {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat?.isFile() !== true) throw new MillraceError('invalid-argument', `--input ${path}: there is no such file`);
  return stat;
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const bytes of createReadStream(path)) hash.update(bytes as Buffer);
  return hash.digest('hex');
}
