import { createReadStream } from 'node:fs';
import type { SourceSpec } from '#libs/definitions/definition-kinds.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import { maxEventBytes } from '../domain/raw-event.js';
import { type Place, problem, type SourceRow } from '../domain/source-rows.js';

const readBytes = 256 * 1024;
const [lineFeed, carriageReturn] = [10, 13];

/** One JSON object a line; the row is the number of the line, empty lines included. The bytes of a line are the event's data as they are. */
export async function* readJsonLines(path: string, source: SourceSpec, start: Place): AsyncGenerator<SourceRow> {
  let { byte, row } = start;
  for await (const line of lines(path, source, start)) {
    row += 1;
    const data = line.at(-1) === carriageReturn ? line.subarray(0, -1) : line;
    if (data.length > 0) yield { row, byte, columns: parse(source, row, data), data };
    byte += line.length + 1;
  }
}

/** Lines without their end; a line is bounded. */
async function* lines(path: string, source: SourceSpec, { byte, row }: Place): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  let read = row;
  const chunks = createReadStream(path, { start: byte, highWaterMark: readBytes }) as AsyncIterable<Buffer>;
  for await (const chunk of chunks) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let from = 0;
    for (let end = bytes.indexOf(lineFeed); end >= 0; end = bytes.indexOf(lineFeed, from)) {
      yield bytes.subarray(from, end);
      read += 1;
      from = end + 1;
    }
    rest = bytes.subarray(from);
    if (rest.length > maxEventBytes) throw problem(source, read + 1, `the line has more than ${maxEventBytes} bytes`);
  }
  if (rest.length > 0) yield rest;
}

function parse(source: SourceSpec, row: number, line: Buffer): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line.toString());
  } catch (error) {
    throw problem(source, row, errorMessage(error), error);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw problem(source, row, 'a line is one JSON object');
}
