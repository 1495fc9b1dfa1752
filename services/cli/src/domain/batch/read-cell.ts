import { timestampMs } from '#libs/definitions/timestamp.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { Datatype } from './endpoint-inputs.js';

export type Cell = string | number | boolean;

const decimal = /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i;
const int32 = 2 ** 31;

/**
 * A cell as the endpoint's column takes it; CSV has text for everything. Null, missing and empty are NaN, which says "missing", of a number with a fraction, and are refused of
 * all others, but that empty text is text.
 * @throws MillraceError invalid-argument naming the column, the value and what would be right
 */
export function readCell(name: string, datatype: Datatype, value: unknown): Cell {
  return readers[datatype](value) ?? refuse(name, value, takes[datatype]);
}

const readers: Record<Datatype, (value: unknown) => Cell | undefined> = {
  BYTES: (value) => (typeof value === 'string' ? value : undefined),
  FP32: fraction,
  FP64: fraction,
  INT32: (value) => {
    const number = whole(value);
    return number !== undefined && number >= -int32 && number < int32 ? number : undefined;
  },
  // Instants come as INT64 too, in epoch milliseconds.
  INT64: (value) => whole(value) ?? (typeof value === 'string' ? timestampMs(value) : undefined),
  BOOL: (value) =>
    value === true || value === 'true' || value === 1 || value === '1'
      ? true
      : value === false || value === 'false' || value === 0 || value === '0'
        ? false
        : undefined,
};

const takes: Record<Datatype, string> = {
  BYTES: 'text',
  FP32: 'a number, or nothing',
  FP64: 'a number, or nothing',
  INT32: 'a whole number from -2147483648 to 2147483647',
  INT64: 'a whole number of at most 2^53, or an instant in RFC 3339, e.g. 2001-06-10T08:15:00Z',
  BOOL: 'true or false',
};

function fraction(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (value === null || value === undefined || value === '') return Number.NaN;
  return typeof value === 'string' && decimal.test(value) ? Number(value) : undefined;
}

function whole(value: unknown): number | undefined {
  const number = typeof value === 'string' && decimal.test(value) ? Number(value) : value;
  return Number.isSafeInteger(number) ? (number as number) : undefined;
}

/**
 * The vector of a row, an array of numbers or the text of one; null is NaN, "missing".
 * @param width of the first row's; undefined = this is the first
 * @throws MillraceError invalid-argument
 */
export function readVector(name: string, value: unknown, width: number | undefined): Float32Array {
  const list = typeof value === 'string' ? parsed(value) : value;
  if (!Array.isArray(list) || list.length === 0) return refuse(name, value, 'an array of numbers, e.g. [0.5, null, 3]');
  if (width !== undefined && list.length !== width)
    throw new MillraceError(
      'invalid-argument',
      `column "${name}": ${list.length} numbers, and the first row has ${width}`,
    );
  return Float32Array.from(
    list,
    (element: unknown, i) => fraction(element) ?? refuse(`${name}[${i}]`, element, 'a number, or null'),
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // the caller says what it takes
  }
}

function refuse(name: string, value: unknown, right: string): never {
  throw new MillraceError('invalid-argument', `column "${name}": ${said(value)}; it takes ${right}`);
}

function said(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === '') return 'empty';
  const text = JSON.stringify(value) ?? String(value);
  return `${text.length <= 64 ? text : `${text.slice(0, 64)}...`} is no value of it`;
}
