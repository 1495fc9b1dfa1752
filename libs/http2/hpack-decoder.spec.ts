import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { projectRoot } from '#libs/storage/sql-file.js';
import { HpackDecoder } from './hpack-decoder.js';
import { HpackError } from './hpack-error.js';

interface Vectors {
  readonly writtenBy: string;
  readonly connections: readonly { name: string; blocks: readonly Block[] }[];
  readonly damaged: readonly (Omit<Block, 'headers'> & { headers: string[] | null })[];
}
interface Block {
  readonly block: string;
  readonly headers: string[];
}

const vectors = JSON.parse(readFileSync(join(projectRoot(), 'libs/http2/test/hpack-vectors.json'), 'utf8')) as Vectors;

const roomy = 1 << 24;

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex');
}

/** `name: value` for each pair. */
function lines(list: readonly string[] | undefined): string[] | undefined {
  return list?.flatMap((text, i) => (i % 2 === 0 ? [`${text}: ${list[i + 1]}`] : []));
}

const requests = [
  [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com'],
  [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com', 'cache-control: no-cache'],
  [':method: GET', ':scheme: https', ':path: /index.html', ':authority: www.example.com', 'custom-key: custom-value'],
];
const private302 = [
  'cache-control: private',
  'date: Mon, 21 Oct 2013 20:13:21 GMT',
  'location: https://www.example.com',
];
const responses = [
  [':status: 302', ...private302],
  [':status: 307', ...private302],
  [
    ':status: 200',
    'cache-control: private',
    'date: Mon, 21 Oct 2013 20:13:22 GMT',
    'location: https://www.example.com',
    'content-encoding: gzip',
    'set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
  ],
];

describe('the examples of RFC 7541 appendix C', () => {
  it.each([
    [
      'C.2.1, a literal that is indexed',
      '400a637573746f6d2d6b65790d637573746f6d2d686561646572',
      'custom-key: custom-header',
    ],
    ['C.2.2, one that is not', '040c2f73616d706c652f70617468', ':path: /sample/path'],
    ['C.2.3, one that never is', '100870617373776f726406736563726574', 'password: secret'],
    ['C.2.4, an indexed pair', '82', ':method: GET'],
  ])('%s', (_, block, line) => {
    expect(lines(new HpackDecoder().decode(hex(block)))).toEqual([line]);
  });

  it.each([
    [
      'C.3, requests in plain strings',
      [
        '828684410f7777772e6578616d706c652e636f6d',
        '828684be58086e6f2d6361636865',
        '828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565',
      ],
    ],
    [
      'C.4, requests in Huffman strings',
      [
        '828684418cf1e3c2e5f23a6ba0ab90f4ff',
        '828684be5886a8eb10649cbf',
        '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf',
      ],
    ],
  ])('%s', (_, blocks) => {
    const decoder = new HpackDecoder();
    expect(blocks.map((block) => lines(decoder.decode(hex(block))))).toEqual(requests);
  });

  // The examples have a table of 256 bytes: said by a size update before the first block.
  it.each([
    [
      'C.5, responses in plain strings, with evictions',
      [
        `3fe101 4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d`,
        '4803333037c1c0bf',
        '88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31',
      ],
    ],
    [
      'C.6, responses in Huffman strings, with evictions',
      [
        '3fe101 488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3',
        '4883640effc1c0bf',
        '88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
      ],
    ],
  ])('%s', (_, blocks) => {
    const decoder = new HpackDecoder();
    expect(blocks.map((block) => lines(decoder.decode(hex(block))))).toEqual(responses);
  });
});

describe(`what ${vectors.writtenBy} wrote`, () => {
  it.each(vectors.connections)('$name', ({ blocks }) => {
    const decoder = new HpackDecoder(4096, roomy);
    for (const { block, headers } of blocks) expect(decoder.decode(hex(block))).toEqual(headers);
  });

  it('and then damaged is refused where that refuses it, and read as that reads it', () => {
    for (const { block, headers } of vectors.damaged) {
      const decoded = () => new HpackDecoder(4096, roomy).decode(hex(block));
      if (headers === null) expect(decoded).toThrow(HpackError);
      else expect(decoded()).toEqual(headers);
    }
  });
});

describe('a block', () => {
  it('of nothing is an empty list', () => {
    expect(new HpackDecoder().decode(new Uint8Array())).toEqual([]);
  });

  it('may be a view of a larger one', () => {
    expect(new HpackDecoder().decode(new Uint8Array([0, 0x82, 0x86, 0]).subarray(1, 3))).toHaveLength(4);
  });

  it('needs a table of 4096 bytes at least, which a peer may use before it has our settings', () => {
    expect(() => new HpackDecoder(4095)).toThrow(RangeError);
  });

  it('may use a larger table only once it has said so', () => {
    const decoder = new HpackDecoder(8192, roomy);
    // 'a', and 5000 bytes: 127 + 9 + 38 * 128.
    const large = Buffer.concat([hex('40 01 61 7f 89 26'), Buffer.alloc(5000, 'b')]);
    decoder.decode(large);
    expect(() => decoder.decode(hex('be'))).toThrow(HpackError);
    decoder.decode(Buffer.concat([hex('3fe13f'), large]));
    expect(decoder.decode(hex('be'))?.[1]).toHaveLength(5000);
  });
});
