import { HpackError } from './hpack-error.js';
import { endOfString, huffmanCodes, type HuffmanCode } from './hpack-huffman-code.js';

/** A code of 257 leaves has 256 inner nodes: a state, which is the node that the bits so far have led to, fits a byte. */
const states = 256;
const emits = 1 << 16;
const fails = 1 << 17;
/** Padding is the beginning of EOS, and less than a byte of it (RFC 7541 section 5.2). */
const maxPaddingBits = 7;

/** By state and nibble: the next state, `symbol << 8 | emits` where one ends in it (no code is shorter than 5 bits, so at most one does), or `fails`. */
const steps = new Uint32Array(states * 16);
/** Whether a string may end in the state. */
const mayEnd = new Uint8Array(states);
build(huffmanCodes());

/** By node and bit, two of each: an inner node, or `~symbol`. */
function treeOf(codes: readonly HuffmanCode[]): Int32Array {
  const tree = new Int32Array(states * 2);
  let nodes = 1;
  for (const { symbol, code, bits } of codes) {
    let node = 0;
    for (let bit = bits - 1; bit > 0; bit--) {
      const branch = node * 2 + ((code >> bit) & 1);
      tree[branch] ||= nodes++;
      node = tree[branch] as number;
    }
    tree[node * 2 + (code & 1)] = ~symbol;
  }
  return tree;
}

function build(codes: readonly HuffmanCode[]): void {
  const tree = treeOf(codes);
  for (let state = 0; state < states; state++) {
    for (let nibble = 0; nibble < 16; nibble++) steps[state * 16 + nibble] = stepOf(tree, state, nibble);
  }
  for (let node = 0, depth = 0; depth <= maxPaddingBits; depth++) {
    mayEnd[node] = 1;
    node = tree[node * 2 + 1] as number;
  }
}

function stepOf(tree: Int32Array, state: number, nibble: number): number {
  let node = state;
  let emitted = 0;
  for (let bit = 3; bit >= 0; bit--) {
    node = tree[node * 2 + ((nibble >> bit) & 1)] as number;
    if (node >= 0) continue;
    if (~node === endOfString) return fails;
    emitted = emits | (~node << 8);
    node = 0;
  }
  return emitted | node;
}

/** The most bytes that so many encoded ones make: the shortest code has 5 bits. */
export function maxHuffmanDecodedBytes(encodedBytes: number): number {
  return Math.floor((encodedBytes * 8) / 5);
}

/**
 * Decodes `from` ... `to` of a block into `into`, which has room for `maxHuffmanDecodedBytes`.
 * @returns how many bytes it made @throws HpackError for an EOS inside, or a padding that is none
 */
export function decodeHuffman(block: Uint8Array, from: number, to: number, into: Uint8Array): number {
  let length = 0;
  let state = 0;
  let seen = 0;
  for (let at = from; at < to; at++) {
    const byte = block[at] as number;
    const high = steps[(state << 4) | (byte >> 4)] as number;
    if ((high & emits) !== 0) into[length++] = high >> 8;
    const low = steps[((high & 0xff) << 4) | (byte & 0x0f)] as number;
    if ((low & emits) !== 0) into[length++] = low >> 8;
    state = low & 0xff;
    seen |= high | low;
  }
  if ((seen & fails) !== 0) throw new HpackError('a Huffman string has EOS in it');
  if (mayEnd[state] === 0) throw new HpackError('a Huffman string ends in the middle of a code');
  return length;
}
