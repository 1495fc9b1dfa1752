import { expect, it } from '@jest/globals';
import { ConnectionError, errorCode, frameHeaderBytes, maxFrameBytes, writeFrameHeader } from './frame.js';
import { FrameReader } from './frame-reader.js';
import { frame } from './test/raw-peer.js';

type Taken = [type: number, flags: number, streamId: number, payload: string];

const frames: Taken[] = [
  [4, 0, 0, ''],
  [1, 5, 2 ** 31 - 1, 'headers'],
  [0, 1, 0x010203, 'x'.repeat(300)],
  [8, 0, 0, '\0\0\0\x01'],
];
const bytes = Buffer.concat(
  frames.map(([type, flags, id, payload]) => frame(type, flags, id, Buffer.from(payload, 'latin1'))),
);

function reading(): { taken: Taken[]; reader: FrameReader } {
  const taken: Taken[] = [];
  return {
    taken,
    reader: new FrameReader((...[type, flags, id, payload]) =>
      taken.push([type, flags, id, payload.toString('latin1')]),
    ),
  };
}

it('frames come whole however what was received is cut, in two at every byte and in single bytes', () => {
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    const { taken, reader } = reading();
    reader.feed(bytes.subarray(0, cut));
    reader.feed(bytes.subarray(cut));
    expect(taken).toEqual(frames);
  }
  const { taken, reader } = reading();
  for (const byte of bytes) reader.feed(Buffer.of(byte));
  expect(taken).toEqual(frames);
});

it('a frame within one piece is a view of it, and the reserved bit of a stream is none of its number', () => {
  const piece = Buffer.concat([frame(0, 0, 1, Buffer.from('abc'))]);
  piece[5] = piece[5]! | 0x80;
  const seen: [number, boolean][] = [];
  new FrameReader((_type, _flags, id, payload) => seen.push([id, payload.buffer === piece.buffer])).feed(piece);
  expect(seen).toEqual([[1, true]]);
});

it('a frame that is too large ends the connection before its payload has come', () => {
  const head = Buffer.alloc(frameHeaderBytes);
  writeFrameHeader(head, 0, maxFrameBytes + 1, 0, 0, 1);
  const failure = (feed: (reader: FrameReader) => void): unknown => {
    try {
      feed(reading().reader);
      return undefined;
    } catch (error) {
      return error;
    }
  };
  const atOnce = failure((reader) => reader.feed(head));
  const inTwo = failure((reader) => {
    reader.feed(head.subarray(0, 4));
    reader.feed(head.subarray(4));
  });
  for (const error of [atOnce, inTwo]) {
    expect(error).toBeInstanceOf(ConnectionError);
    expect(error).toMatchObject({ code: errorCode.frameSizeError });
  }
});

it('nothing is taken once it is told to stop', () => {
  const taken: number[] = [];
  const reader: FrameReader = new FrameReader((type) => {
    taken.push(type);
    reader.stop();
  });
  reader.feed(bytes);
  reader.feed(bytes);
  expect(taken).toEqual([4]);
});
