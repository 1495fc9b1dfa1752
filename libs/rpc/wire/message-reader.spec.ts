import { status } from '@grpc/grpc-js';
import { expect, it } from '@jest/globals';
import { message } from '#libs/http2/test/raw-peer.js';
import { HeldBytes, MessageReader } from './message-reader.js';

const maxBytes = 200_000;

function reading(held = new HeldBytes(1_000_000)) {
  const taken: [string, boolean][] = [];
  const sink = { received: (bytes: Buffer, packed: boolean) => void taken.push([bytes.toString(), packed]) };
  return { taken, reader: new MessageReader(sink, maxBytes, held) };
}

const sent: [string, boolean][] = [
  ['', false],
  ['one', false],
  ['packed', true],
  ['x'.repeat(70), false],
];
const bytes = Buffer.concat(sent.map(([text, packed]) => message(Buffer.from(text), text.length, packed)));

it('messages come whole however their bytes are cut, in two at every byte and in single bytes', () => {
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    const { taken, reader } = reading();
    reader.feed(bytes.subarray(0, cut));
    reader.feed(bytes.subarray(cut));
    expect(taken).toEqual(sent);
    expect(reader.isWithin).toBe(false);
  }
  const { taken, reader } = reading();
  for (const byte of bytes) reader.feed(Buffer.of(byte));
  expect(taken).toEqual(sent);
});

it('one that outgrows its first room comes whole, and holds nothing afterwards', () => {
  const text = 'y'.repeat(150_000);
  const held = new HeldBytes(maxBytes);
  for (let i = 0; i < 3; i += 1) {
    const { taken, reader } = reading(held);
    const whole = message(Buffer.from(text));
    for (let at = 0; at < whole.length; at += 16_384) reader.feed(whole.subarray(at, at + 16_384));
    expect(taken).toEqual([[text, false]]);
  }
  held.take(maxBytes);
});

it('what is larger than it may be, begins with no flag, or holds too much with the others of its connection is refused', () => {
  const refused = (feed: () => void): unknown => {
    try {
      feed();
      return 'taken';
    } catch (error) {
      return error;
    }
  };
  const large = Buffer.from([0, 0, 0x03, 0x0d, 0x41]); // 200,001
  expect(refused(() => reading().reader.feed(large))).toMatchObject({
    code: status.RESOURCE_EXHAUSTED,
    details: 'Received message larger than max (200001 vs. 200000)',
  });
  expect(refused(() => reading().reader.feed(Buffer.from([2, 0, 0, 0, 0])))).toMatchObject({
    code: status.INVALID_ARGUMENT,
    details: 'a message begins with 2, expected 0 or 1',
  });
  const held = new HeldBytes(100_000);
  const begun = Buffer.from([0, 0, 1, 0x86, 0xa0]); // 100,000, of which 65,536 have room at first
  const first = reading(held).reader;
  first.feed(begun);
  expect(refused(() => reading(held).reader.feed(begun))).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
  first.drop();
  expect(refused(() => reading(held).reader.feed(begun))).toBe('taken');
});
