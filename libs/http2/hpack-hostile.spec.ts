import { describe, expect, it } from '@jest/globals';
import { generator } from '#libs/numeric/generator.js';
import { HpackDecoder } from './hpack-decoder.js';
import { HpackError } from './hpack-error.js';

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex');
}

/** A literal of short plain strings. @param kind 0x40 to be indexed, 0x00 not */
function literal(kind: number, name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([kind, name.length]), Buffer.from(name), plain(value)]);
}

function plain(value: string): Buffer {
  const length =
    value.length < 127 ? [value.length] : [127, ((value.length - 127) & 127) | 128, (value.length - 127) >> 7];
  return Buffer.concat([Buffer.from(length), Buffer.from(value, 'latin1')]);
}

describe('a malformed block is an HpackError', () => {
  it.each([
    ['index 0', '80'],
    ['an index beyond an empty table', 'be'],
    ['a large index beyond the table', 'ff80ffff07'],
    ['a name beyond the table', '7e 01 61'],
    ['a name beyond the table, not indexed', '0f 2f 01 61'],
    ['an integer that does not end', 'ff'],
    ['an integer that ends with the block', 'ff80'],
    ['an integer above 2^31 - 1', 'ff 81 ff ff ff 07'],
    ['an integer above 2^35', 'ff ff ff ff ff 7f'],
    ['an integer of ever more noughts', 'ff 80 80 80 80 80 00'],
    ['a length above 2^31 - 1', '00 7f 81 ff ff ff 07'],
    ['a literal without a name', '40'],
    ['a literal without a value', '40 01 61'],
    ['a name that is longer than the block', '40 05 61'],
    ['a value that is longer than the block', '40 01 61 02 62'],
    ['a Huffman string that is longer than the block', '40 01 61 ff 00'],
    ['EOS in a Huffman string', '00 01 61 84 ff ff ff ff'],
    ['EOS and then a code', '00 01 61 85 ff ff ff fc 3f'],
    ['a Huffman padding of 8 bits', '00 01 61 82 1f ff'],
    ['a Huffman padding of nothing but a byte', '00 01 61 81 ff'],
    ['a Huffman padding with a nought', '00 01 61 81 1e'],
    ['a Huffman padding of noughts', '00 01 61 81 18'],
    ['a Huffman string that ends in the middle of a code', '00 01 61 82 ff c0'],
    ['a table of more than the settings allow', '3f e2 1f'],
    ['a table of 2^31 - 1 bytes', '3f e0 ff ff ff 07'],
    ['a size update after a pair', '82 20'],
    ['a size update after a literal', '00 01 61 00 3f e1 1f'],
  ])('%s', (_, block) => {
    expect(() => new HpackDecoder().decode(hex(block))).toThrow(HpackError);
  });

  it('while what is just within the bounds is none', () => {
    const decode = (block: string) => new HpackDecoder().decode(hex(block));
    // The whole table; an index of 61 with noughts before it; 'a' with 3 bits of padding; a code of 5 bits and one of 28 with 7 bits.
    expect(decode('3f e1 1f 82')).toEqual([':method', 'GET']);
    expect(decode('0f ae 80 80 80 00 00')).toEqual(['www-authenticate', '']);
    expect(decode('00 01 61 81 1f')).toEqual(['a', 'a']);
    expect(decode('00 01 61 85 1f ff ff f1 7f')).toEqual(['a', 'a\x02']);
    expect(decode('00 00 00')).toEqual(['', '']);
    expect(decode('20 20 3f e1 1f')).toEqual([]);
  });
});

describe('what a list costs is bounded', () => {
  it('a list at its limit is kept, one byte above it is not, and the table is in step after it', () => {
    const decoder = new HpackDecoder(4096, 100);
    expect(decoder.decode(literal(0x40, 'name', 'v'.repeat(64)))).toHaveLength(2);
    expect(decoder.decode(literal(0x40, 'name', 'w'.repeat(65)))).toBeUndefined();
    expect(decoder.decode(hex('bf'))).toEqual(['name', 'v'.repeat(64)]);
    expect(decoder.decode(Buffer.concat([hex('bfbf'), literal(0x40, 'late', 'x')]))).toBeUndefined();
    expect(decoder.decode(hex('be'))).toEqual(['late', 'x']);
  });

  it('a block that is too large is still decoded to its end: what is wrong there is an error', () => {
    const decoder = new HpackDecoder(4096, 100);
    expect(() => decoder.decode(Buffer.concat([literal(0x00, 'name', 'v'.repeat(100)), hex('80')]))).toThrow(
      HpackError,
    );
  });

  it('a bomb, a large entry that is named a million times, takes no memory and little time', () => {
    const decoder = new HpackDecoder();
    const bomb = Buffer.concat([literal(0x40, 'bomb', 'v'.repeat(4000)), Buffer.alloc(1_000_000, 0xbe)]);
    decoder.decode(bomb);
    const before = process.memoryUsage().heapUsed;
    const started = performance.now();
    for (let i = 0; i < 10; i++) expect(decoder.decode(bomb)).toBeUndefined();
    expect(performance.now() - started).toBeLessThan(2_000);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(4_000_000);
  });

  it('a million size updates and a million empty entries take little time', () => {
    const decoder = new HpackDecoder();
    const started = performance.now();
    expect(decoder.decode(Buffer.alloc(1_000_000, hex('203fe11f')))).toEqual([]);
    expect(decoder.decode(Buffer.alloc(1_000_000, hex('400000')).subarray(0, 999_999))).toBeUndefined();
    expect(performance.now() - started).toBeLessThan(2_000);
    // 128 entries of 32 bytes: 61 + 128 is the last index.
    expect(decoder.decode(hex('ff3e'))).toEqual(['', '']);
    expect(() => decoder.decode(hex('ff3f'))).toThrow(HpackError);
  });

  it('an entry larger than the table empties it and is no error', () => {
    const decoder = new HpackDecoder();
    decoder.decode(literal(0x40, 'small', 'v'));
    expect(decoder.decode(literal(0x40, 'large', 'v'.repeat(4096 - 32 - 4)))).toHaveLength(2);
    expect(() => decoder.decode(hex('be'))).toThrow(HpackError);
  });

  it('an entry of the whole table is kept, and its name may be used to put it out', () => {
    const decoder = new HpackDecoder();
    decoder.decode(literal(0x40, 'whole', 'v'.repeat(4096 - 32 - 5)));
    expect(decoder.decode(Buffer.concat([hex('7e'), plain('next')]))).toEqual(['whole', 'next']);
    expect(decoder.decode(hex('be'))).toEqual(['whole', 'next']);
    expect(() => decoder.decode(hex('bf'))).toThrow(HpackError);
  });

  it('a table of no bytes keeps nothing, and grows again', () => {
    const decoder = new HpackDecoder();
    decoder.decode(literal(0x40, 'a', 'b'));
    decoder.decode(hex('20'));
    expect(() => decoder.decode(hex('be'))).toThrow(HpackError);
    decoder.decode(Buffer.concat([hex('3fe11f'), literal(0x40, 'a', 'b')]));
    expect(decoder.decode(hex('be'))).toEqual(['a', 'b']);
  });
});

it('100,000 blocks of random bytes throw nothing but HpackError, and none takes long', () => {
  const random = generator(7541);
  let decoder = new HpackDecoder();
  let decoded = 0;
  let slowestMs = 0;
  for (let i = 0; i < 100_000; i++) {
    // Half of them small bytes: literals with short strings, so that many get far.
    const most = i % 2 === 0 ? 256 : 16;
    const block = Uint8Array.from({ length: Math.floor(random() * 48) }, () => Math.floor(random() * most));
    const started = performance.now();
    try {
      if (decoder.decode(block)) decoded++;
    } catch (error) {
      if (!(error instanceof HpackError)) throw error;
      decoder = new HpackDecoder();
    }
    slowestMs = Math.max(slowestMs, performance.now() - started);
  }
  expect(decoded).toBeGreaterThan(5_000);
  expect(slowestMs).toBeLessThan(250);
});
