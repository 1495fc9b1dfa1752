import { isUtf8 } from 'node:buffer';
import { errorMessage } from '#libs/errors/millrace-error.js';
import { type InputRow, maxRowBytes, type Place } from './input-row.js';

const newline = 10;
const byteOrderMark = '\ufeff';

/**
 * Rows of JSON lines, one object a line; empty lines are passed over. A line that is no object is a row with a problem, and the next is read.
 * @param bytes from `start.offset` on
 */
export async function* readJsonLines(bytes: AsyncIterable<Buffer>, start: Place): AsyncGenerator<InputRow> {
  let at = start;
  for await (const { line, tooLong, length } of linesOf(bytes)) {
    at = { ...at, offset: at.offset + length, line: at.line + 1 };
    const text = tooLong ? undefined : textOf(line);
    if (text?.trim() === '') continue;
    at = { ...at, row: at.row + 1 };
    if (text !== undefined) yield readLine(text, at);
    else
      yield {
        end: at,
        columns: undefined,
        problem: tooLong ? `longer than ${maxRowBytes} bytes, the most that a row may have` : 'not UTF-8',
      };
  }
}

function textOf(line: Buffer): string | undefined {
  if (!isUtf8(line)) return undefined;
  const text = line.toString();
  return text.startsWith(byteOrderMark) ? text.slice(1) : text;
}

function readLine(text: string, end: Place): InputRow {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return { end, columns: value as Record<string, unknown> };
    return { end, columns: undefined, problem: `no JSON object, such as {"column": "value"}: ${shownLine(text)}` };
  } catch (error) {
    // Of one line: the others are rows all the same.
    return { end, columns: undefined, problem: `no JSON: ${errorMessage(error)}` };
  }
}

function shownLine(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 60)}...`;
}

interface Line {
  readonly line: Buffer;
  readonly tooLong: boolean;
  /** Bytes, those of its end included. */
  readonly length: number;
}

/** At most `maxRowBytes` of a line are kept; the last one needs no end. */
async function* linesOf(bytes: AsyncIterable<Buffer>): AsyncGenerator<Line> {
  let parts: Buffer[] = [];
  let length = 0;
  const take = (part: Buffer): void => {
    length += part.length;
    if (length <= maxRowBytes) parts.push(part);
    else parts = [];
  };
  const finished = (ending: number): Line => {
    const line = { line: Buffer.concat(parts), tooLong: length > maxRowBytes, length: length + ending };
    parts = [];
    length = 0;
    return line;
  };
  for await (const chunk of bytes) {
    let from = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, from)) {
      take(chunk.subarray(from, end));
      yield finished(1);
      from = end + 1;
    }
    if (from < chunk.length) take(chunk.subarray(from));
  }
  if (length > 0) yield finished(0);
}
