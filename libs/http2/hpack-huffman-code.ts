/**
 * How many bits the code of each byte has, RFC 7541 appendix B; the last is EOS. The code is canonical: codes of one length follow each other in the order of their
 * bytes, and a longer length goes on where the shorter one ended, so the lengths are all of it.
 */
const codeBits: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
  28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6,
  5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23,
  22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22,
  23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26,
  20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27,
  27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27,
  27, 27, 27, 26, 30,
];

export const endOfString = 256;

export interface HuffmanCode {
  /** A byte, or `endOfString`. */
  readonly symbol: number;
  /** The lowest `bits` bits, the first on the wire highest. */
  readonly code: number;
  readonly bits: number;
}

/** Shortest first, the order in which a canonical code is counted. */
export function huffmanCodes(): HuffmanCode[] {
  const symbols = codeBits.map((bits, symbol) => ({ symbol, bits }));
  symbols.sort((a, b) => a.bits - b.bits || a.symbol - b.symbol);
  let next = 0;
  let length = 0;
  return symbols.map(({ symbol, bits }) => {
    next <<= bits - length;
    length = bits;
    return { symbol, code: next++, bits };
  });
}
