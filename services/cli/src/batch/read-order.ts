import { createHash } from 'node:crypto';
import { extname, resolve } from 'node:path';
import { parseDuration } from '#libs/definitions/duration.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { BatchOrder, InputFormat, OutputFormat } from '../domain/batch/batch-plan.js';
import type { OutputOptions } from '../output.js';

/** How it is done: may be another each time. */
export interface HowOptions extends OutputOptions {
  readonly concurrency: string;
  readonly maxErrors: string;
  readonly giveUpAfter: string;
  readonly blockBytes: string;
}

/** What is done. */
export interface RunOptions extends HowOptions {
  readonly input?: string;
  readonly query?: string;
  readonly output?: string;
  readonly table?: string;
  readonly version?: string;
  readonly keep?: string;
  readonly rowsPerRequest: string;
  readonly runId?: string;
  readonly fresh?: boolean;
}

/** @throws MillraceError invalid-argument naming the option and what would be right */
export function orderOf(endpoint: string, options: RunOptions): BatchOrder {
  const keep = options.keep?.split(',').map((name) => name.trim());
  return {
    endpoint,
    version: options.version ?? '',
    input: inputOf(options),
    output: outputOf(options),
    ...(keep === undefined ? {} : { keep: keep.filter((name) => name !== '') }),
    rowsPerRequest: wholeNumber('--rows-per-request', options.rowsPerRequest, 1, 1_000),
  };
}

function inputOf({ input, query }: RunOptions): BatchOrder['input'] {
  if ((input === undefined) === (query === undefined)) refuse('give one of --input <file> and --query <sql>');
  if (query !== undefined) return { query };
  return { path: resolve(input!), format: formatOf('--input', input!, inputEndings) };
}

function outputOf({ output, table }: RunOptions): BatchOrder['output'] {
  if ((output === undefined) === (table === undefined))
    refuse('give one of --output <file> and --table <database.table>');
  if (table !== undefined) return { table };
  return { path: resolve(output!), format: formatOf('--output', output!, outputEndings) };
}

const inputEndings: Readonly<Record<string, InputFormat>> = {
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.csv': 'csv',
  '.parquet': 'parquet',
};
const outputEndings: Readonly<Record<string, OutputFormat>> = { '.jsonl': 'jsonl', '.ndjson': 'jsonl', '.csv': 'csv' };

function formatOf<F extends string>(option: string, path: string, endings: Readonly<Record<string, F>>): F {
  return (
    endings[extname(path).toLowerCase()] ??
    refuse(`${option} ${path}: its name has to end with ${Object.keys(endings).join(', ')}, which says what it is`)
  );
}

/** The same order has the same name. */
export function derivedId(order: BatchOrder): string {
  return `${order.endpoint}-${createHash('sha256').update(JSON.stringify(order)).digest('hex').slice(0, 10)}`;
}

/** @throws MillraceError invalid-argument */
export function checkedId(runId: string): string {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(runId)
    ? runId
    : refuse(`--run-id "${runId}": 1 to 64 letters, digits, ".", "_" and "-"`);
}

/** @throws MillraceError invalid-argument */
export function wholeNumber(option: string, text: string, least: number, most: number): number {
  const number = Number(text);
  if (text.trim() === '' || !Number.isInteger(number) || number < least || number > most)
    refuse(`${option} "${text}" is not a whole number from ${least} to ${most}`);
  return number;
}

/** Milliseconds. @throws MillraceError invalid-argument */
export function duration(option: string, text: string): number {
  try {
    return parseDuration(text);
  } catch (error) {
    throw new MillraceError('invalid-argument', `${option}: ${(error as Error).message}`, { cause: error });
  }
}

function refuse(message: string): never {
  throw new MillraceError('invalid-argument', message);
}
