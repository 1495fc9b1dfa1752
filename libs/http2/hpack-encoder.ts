import type { HeaderList } from './hpack-decoder.js';
import { lastStaticIndex, staticNames, staticValues } from './hpack-static-table.js';

/** No hop may keep these in a table, where their length could be guessed at from what is sent beside them (RFC 7541 section 7.1.3). */
const neverIndexed = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie']);

/** The entries of each name, one behind the other in the static table. */
const indexesOf = new Map<string, number[]>();
for (let index = 1; index <= lastStaticIndex; index++) {
  const name = staticNames[index] as string;
  indexesOf.set(name, [...(indexesOf.get(name) ?? []), index]);
}

/** The most that a pair has beside its bytes: an index of 2, two lengths of 6. */
const mostAroundPair = 14;

/**
 * A header block that names no entry of the dynamic table and adds none, so it is right on any connection, whatever the size of the peer's table, and can be kept and
 * sent again. Names are lower-case already; names and values are Latin-1.
 */
export function encodeHeaders(list: HeaderList): Buffer {
  let room = 0;
  for (const text of list) room += text.length + mostAroundPair / 2;
  const block = Buffer.allocUnsafe(room);
  let at = 0;
  for (let i = 0; i < list.length; i += 2) at = writePair(block, at, list[i] as string, list[i + 1] as string);
  return block.subarray(0, at);
}

function writePair(block: Buffer, at: number, name: string, value: string): number {
  const indexes = indexesOf.get(name);
  const pair = indexes?.find((index) => staticValues[index] === value);
  if (pair !== undefined && value !== '') return writeInteger(block, at, 0x80, 0x7f, pair);
  const kind = neverIndexed.has(name) ? 0x10 : 0x00;
  const index = indexes?.[0] ?? 0;
  let next = writeInteger(block, at, kind, 0x0f, index);
  if (index === 0) next = writeString(block, next, name);
  return writeString(block, next, value);
}

function writeString(block: Buffer, at: number, text: string): number {
  const start = writeInteger(block, at, 0x00, 0x7f, text.length);
  return start + block.write(text, start, 'latin1');
}

/** RFC 7541 section 5.1. @param kind the bits above the prefix */
function writeInteger(block: Buffer, at: number, kind: number, prefix: number, value: number): number {
  if (value < prefix) {
    block[at] = kind | value;
    return at + 1;
  }
  block[at++] = kind | prefix;
  let rest = value - prefix;
  for (; rest >= 0x80; rest >>>= 7) block[at++] = (rest & 0x7f) | 0x80;
  block[at++] = rest;
  return at;
}
