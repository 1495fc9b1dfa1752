import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { gzipSync } from 'node:zlib';
import { errorCode, frameFlag, frameType, maxInt31, settingId } from '../frame.js';
import { until } from '#libs/testing/until.js';
import { Attacked } from './attacked-process.js';
import { callHeaders, frame, message, number, preface, RawPeer, settings, unaryCall } from './raw-peer.js';

const { headers, data, rstStream, continuation, ping, priority, windowUpdate } = frameType;
const { endHeaders, endStream } = frameFlag;
const [echo, large, stubborn, chat] = ['Echo', 'Large', 'Stubborn', 'Chat'].map(
  (name) => `/millrace.test.Attacked/${name}`,
) as [string, string, string, string];

const mebibyte = 1_048_576;
/** What one connection may make the server hold: what waits for a peer that does not read, and room for garbage. */
const mostHeldBytes = 64 * mebibyte;
const mostGrownBytes = 3 * mostHeldBytes;
/** For an ordinary call beside an attack, on two cores of which the attacker has one. */
const slowestMs = 1_000;

jest.setTimeout(60_000);

let attacked: Attacked;
let peers: RawPeer[];

beforeAll(async () => {
  attacked = await Attacked.start();
  // What the process needs anyway is not counted: code that is compiled, pools that are filled.
  for (let i = 0; i < 200; i++) await attacked.call();
});
afterAll(() => attacked.stop());
beforeEach(() => void (peers = []));
afterEach(() => {
  for (const peer of peers) peer.close();
});

async function connected(values: Readonly<Record<number, number>> = {}): Promise<RawPeer> {
  const peer = await RawPeer.connect(attacked.port, values);
  peers.push(peer);
  return peer;
}

/** An attack that leaves nothing behind, and beside which others are served. */
async function harmless(attack: () => Promise<unknown>): Promise<void> {
  const before = await attacked.memory();
  expect(await attacked.during(attack)).toBeLessThan(slowestMs);
  for (const peer of peers) peer.close();
  await attacked.call();
  expect((await attacked.memory()).peakBytes - before.rssBytes).toBeLessThan(mostGrownBytes);
  // A connection that was thrown out lingers for a second, and buffers are freed a while after their owners.
  await until(async () => (await attacked.memory()).heldBytes - before.heldBytes < 8 * mebibyte, 'memory to be freed');
}

function repeated(times: number, part: (i: number) => Buffer): Buffer {
  return Buffer.concat(Array.from({ length: times }, (_, i) => part(i)));
}

function opened(id: number, path = echo): Buffer {
  return frame(headers, endHeaders, id, callHeaders(path));
}

function sized(bytes: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes);
  return payload;
}

describe('a flood of frames that cost their sender nothing ends its connection', () => {
  const eight = Buffer.alloc(8);
  const empty = Buffer.alloc(0);
  const hundred = (part: Buffer) => repeated(100, () => part);
  it.each<[string, Buffer, Buffer]>([
    ['PING', empty, frame(ping, 0, 0, eight)],
    ['PING that is an answer', empty, frame(ping, frameFlag.ack, 0, eight)],
    ['SETTINGS of nothing', empty, settings()],
    ['SETTINGS that change every window', empty, Buffer.concat([settings({ 4: 0 }), settings({ 4: 1_000 })])],
    ['SETTINGS acknowledged', empty, frame(frameType.settings, frameFlag.ack)],
    ['PRIORITY', empty, frame(priority, 0, 1, Buffer.from([0, 0, 0, 3, 1]))],
    ['WINDOW_UPDATE of the connection', empty, number(windowUpdate, 0, 1)],
    ['WINDOW_UPDATE of a stream', opened(1), number(windowUpdate, 1, 1)],
    ['WINDOW_UPDATE of a stream that is over', unaryCall(1, echo, eight), number(windowUpdate, 1, 1)],
    ['RST_STREAM of a stream that is over', unaryCall(1, echo, eight), number(rstStream, 1, 8)],
    ['empty DATA', opened(1, chat), frame(data, 0, 1)],
    ['DATA that is padding', opened(1, chat), frame(data, frameFlag.padded, 1, Buffer.from([3, 0, 0, 0]))],
    ['frames of a type that nobody knows', empty, frame(0xbb, 0xff, 77, eight)],
  ])('%s', async (_, first, flooded) => {
    const peer = await connected();
    await harmless(async () => {
      await peer.send(first);
      await peer.ping();
      await peer.flood(hundred(flooded), 20_000);
      await peer.ended();
    });
    expect(peer.goawayCode).toBe(errorCode.enhanceYourCalm);
  });

  it.each([
    ['WINDOW_UPDATE of the connection', number(windowUpdate, 0, 1)],
    ['SETTINGS that open every window by a byte', Buffer.concat([settings({ 4: 1 }), settings({ 4: 0 })])],
  ])('%s, while nearly a thousand streams wait whose windows are closed', async (_, flooded) => {
    const peer = await connected({ [settingId.initialWindowSize]: 0 });
    await harmless(async () => {
      await peer.send(repeated(900, (i) => unaryCall(2 * i + 1, large, sized(60_000))));
      await peer.ping();
      await peer.flood(hundred(flooded), 20_000);
      await peer.ended();
    });
    expect(peer.goawayCode).toBe(errorCode.enhanceYourCalm);
  });

  it('streams that are opened and taken back at once (rapid reset)', async () => {
    const peer = await connected();
    let id = -1;
    await harmless(async () => {
      await peer.flood(
        () => repeated(100, () => Buffer.concat([opened((id += 2)), number(rstStream, id, errorCode.cancel)])),
        20_000,
      );
      await peer.ended();
    });
    expect(peer.goawayCode).toBe(errorCode.enhanceYourCalm);
  });

  // It may go on for as long as it is refused: that costs little. It may not have more worked on than its streams allow.
  it.each([
    ['a break of the rules of a stream', (id: number) => number(windowUpdate, id, 0)],
    ['a window that is too large', (id: number) => number(windowUpdate, id, maxInt31)],
    ['HEADERS in the middle', (id: number) => frame(headers, endHeaders, id, callHeaders(stubborn))],
    ['its being taken back', (id: number) => number(rstStream, id, errorCode.cancel)],
  ])('streams whose work goes on after %s are counted until it is over', async (_, broken) => {
    const peer = await connected();
    let id = -1;
    const call = () => Buffer.concat([unaryCall((id += 2), stubborn, eight), broken(id)]);
    await attacked.idle();
    await harmless(() => peer.flood(() => repeated(50, call), 100));
    const { mostAtWork } = await attacked.memory();
    expect(mostAtWork).toBeGreaterThan(100);
    expect(mostAtWork).toBeLessThanOrEqual(1_000);
  });

  it.each([
    ['full', 16_384],
    ['empty', 0],
  ])('CONTINUATION without end, %s', async (_, bytes) => {
    const peer = await connected();
    await harmless(async () => {
      await peer.send(frame(headers, 0, 1, callHeaders(echo)));
      await peer.flood(
        repeated(10, () => frame(continuation, 0, 1, Buffer.alloc(bytes, 0x82))),
        100_000,
      );
      await peer.ended();
    });
    expect(peer.goawayCode).toBe(errorCode.enhanceYourCalm);
  });
});

describe('a peer that does not take what it asks for', () => {
  it('with windows that stay closed is dropped before much waits for it', async () => {
    const peer = await connected({ [settingId.initialWindowSize]: 0 });
    let id = -1;
    await harmless(async () => {
      await peer.flood(() => unaryCall((id += 2), large, sized(mebibyte)), 500);
      await peer.ended();
    });
    expect(id).toBeLessThan(2 * 500);
    expect(peer.goawayCode).toBe(errorCode.enhanceYourCalm);
  });

  it('which reads nothing at all, with windows that are wide open, is dropped too', async () => {
    const peer = await connected({ [settingId.initialWindowSize]: maxInt31 });
    await harmless(async () => {
      await peer.send(number(windowUpdate, 0, maxInt31 - 65_535));
      peer.stopReading();
      for (let id = 1; id < 1_000; id += 2) void peer.send(unaryCall(id, large, sized(mebibyte)));
      await pause(2_000);
    });
  });

  it.each([
    [
      'answers that come at once',
      (id: number) => frame(headers, endHeaders | endStream, id, callHeaders('/no.such/Method')),
    ],
    [
      'answers to pings between what is useful',
      (id: number) =>
        Buffer.concat([
          ...Array.from({ length: 4 }, () => frame(ping, 0, 0, Buffer.alloc(8))),
          opened(id, '/no.such/Method'),
        ]),
    ],
  ])('which reads nothing is not heard any more: %s', async (_, part) => {
    const peer = await connected();
    let id = -1;
    await harmless(async () => {
      peer.stopReading();
      const flooded = peer.flood(() => repeated(1_000, () => part((id += 2))), 10_000);
      await pause(2_000);
      const heard = id;
      await pause(1_000);
      expect(id).toBe(heard);
      peer.close();
      await flooded;
    });
  });

  it('may take back the answers that waited for it, as often as it likes', async () => {
    const peer = await connected({ [settingId.initialWindowSize]: 0 });
    for (let id = 1; id < 2 * 1_500; id += 2)
      await peer.send(
        unaryCall(id, echo, sized(1)),
        ...(id % 20 === 1 ? [frame(ping, 0, 0, Buffer.alloc(8))] : []),
        number(rstStream, id, errorCode.cancel),
      );
    await peer.ping();
    await peer.send(settings({ [settingId.initialWindowSize]: 65_535 }), unaryCall(9_001, echo, sized(1)));
    expect(await peer.statusOf(9_001)).toBe('0');
  });
});

describe('what is large only when it is unpacked', () => {
  it('a header list that names one entry thousands of times is refused as too large', async () => {
    const peer = await connected();
    const entry = 'v'.repeat(3_900);
    const bomb = (first: Buffer) => Buffer.concat([first, Buffer.alloc(12_000, 0xbe)]);
    const indexed = Buffer.concat([Buffer.from([0x40, 1, 0x78, 0x7f, 0xbd, 0x1d]), Buffer.from(entry)]);
    await harmless(async () => {
      await peer.send(frame(headers, endHeaders | endStream, 1, bomb(indexed)));
      for (let id = 3; id < 2_000; id += 2)
        await peer.send(frame(headers, endHeaders | endStream, id, bomb(Buffer.alloc(0))));
      await peer.ping();
    });
    expect(peer.headersOf(1).concat(peer.headersOf(1_999))).toEqual(expect.arrayContaining([':status']));
  });

  it.each([
    ['more than a message may have', 64 * mebibyte, '8'],
    ['nearly that', 7 * mebibyte, '0'],
  ])('packed messages of noughts, %s', async (_, bytes, status) => {
    const peer = await connected({ [settingId.initialWindowSize]: maxInt31 });
    await peer.send(number(windowUpdate, 0, maxInt31 - 65_535));
    const packed = message(gzipSync(Buffer.alloc(bytes)), undefined, true);
    const block = callHeaders(stubborn, 'grpc-encoding', 'gzip');
    const chunks = Array.from({ length: Math.ceil(packed.length / 16_384) }, (_, i) =>
      packed.subarray(i * 16_384, (i + 1) * 16_384),
    );
    const call = (id: number) =>
      Buffer.concat([
        frame(headers, endHeaders, id, block),
        ...chunks.map((chunk, i) => frame(data, i === chunks.length - 1 ? endStream : 0, id, chunk)),
      ]);
    await harmless(async () => {
      for (let id = 1; id < 400; id += 2) await peer.send(call(id));
      await peer.ping();
      const statuses = new Set<string | undefined>();
      for (let id = 1; id < 400; id += 2) statuses.add(await peer.statusOf(id));
      expect([...statuses].filter((one) => one !== '8' && one !== status)).toEqual([]);
    });
  });
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

describe('what is begun and not ended', () => {
  it('a preface and the first frame after it are waited for 10 s', async () => {
    const begun = [preface.subarray(0, 10), Buffer.concat([preface, settings().subarray(0, 5)])];
    peers = await Promise.all(begun.map((bytes) => RawPeer.greeting(attacked.port, bytes)));
    await harmless(() => Promise.all(peers.map((peer) => peer.ended())));
    for (const peer of peers) expect(peer.goawayCode).toBe(errorCode.protocolError);
  });

  it.each([
    ['another protocol', Buffer.from('GET / HTTP/1.1\r\nhost: here\r\n\r\n')],
    ['a preface with an error in it', Buffer.from(preface.toString().replace('SM', 'MS'))],
    ['no SETTINGS', Buffer.concat([preface, frame(ping, 0, 0, Buffer.alloc(8))])],
    ['a frame that is too large', Buffer.concat([preface, settings(), frame(data, 0, 1, Buffer.alloc(0), 16_385)])],
  ])('%s is ended at once', async (_, bytes) => {
    const peer = await RawPeer.greeting(attacked.port, bytes);
    peers.push(peer);
    const startedMs = performance.now();
    await peer.ended();
    expect(performance.now() - startedMs).toBeLessThan(2_000);
    expect(peer.goawayCode).toBeGreaterThan(0);
  });

  it('half a frame on each of 500 connections holds little, for as long as they like', async () => {
    const many = await Promise.all(Array.from({ length: 500 }, () => connected()));
    await harmless(async () => {
      for (const peer of many) await peer.send(frame(data, 0, 1, Buffer.alloc(3), 16_000).subarray(0, 5));
      await pause(1_000);
      const { rssBytes } = await attacked.memory();
      expect(rssBytes).toBeLessThan(512 * mebibyte);
    });
  });

  it('a conversation that comes byte by byte is served', async () => {
    const peer = await RawPeer.greeting(attacked.port, Buffer.alloc(0));
    peers.push(peer);
    const said = Buffer.concat([preface, settings(), unaryCall(1, echo, Buffer.from('byte by byte'))]);
    for (const byte of said) {
      await peer.send(Buffer.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await peer.statusOf(1)).toBe('0');
  });

  it('a call whose message never comes is ended at its deadline, and one without a deadline is not', async () => {
    const peer = await connected();
    await peer.send(frame(headers, endHeaders, 1, callHeaders(echo, 'grpc-timeout', '200m')), opened(3));
    expect(await peer.statusOf(1)).toBe('4');
    expect(peer.headersOf(3)).toEqual([]);
    await peer.send(frame(data, endStream, 3, message(Buffer.from('late'))));
    expect(await peer.statusOf(3)).toBe('0');
  });

  it('a thousand calls without their messages are all that a connection may have; more are refused, and may be tried again', async () => {
    const peer = await connected();
    const waits = repeated(1_000, (i) => opened(2 * i + 1));
    await peer.send(waits, unaryCall(2_001, echo, sized(1)));
    const refused = await peer.first(({ type, streamId }) => type === rstStream && streamId === 2_001);
    expect(refused.payload.readUInt32BE(0)).toBe(errorCode.refusedStream);
    await peer.send(number(rstStream, 1, errorCode.cancel), unaryCall(2_003, echo, sized(1)));
    expect(await peer.statusOf(2_003)).toBe('0');
  });

  it.each([
    ['more than a message may have', 8 * mebibyte + 1, '8'],
    ['all that a length can say', 2 ** 32 - 1, '8'],
  ])('a message that announces %s is refused when it does', async (_, bytes, status) => {
    const peer = await connected();
    await peer.send(opened(1), frame(data, 0, 1, message(Buffer.alloc(1), bytes)));
    expect(await peer.statusOf(1)).toBe(status);
  });

  it('messages that announce 8 MiB each, on every stream there may be, get no room for it before they come', async () => {
    const peer = await connected();
    await harmless(async () => {
      const begun = message(Buffer.alloc(1), 8 * mebibyte);
      await peer.send(repeated(1_000, (i) => Buffer.concat([opened(2 * i + 1), frame(data, 0, 2 * i + 1, begun)])));
      await peer.ping();
    });
  });

  it('messages that come nearly whole on many streams are refused together above 64 MiB, and their connection is served', async () => {
    const peer = await connected();
    await harmless(async () => {
      const open = new Set(Array.from({ length: 100 }, (_, i) => 2 * i + 1));
      for (const id of open) await peer.send(opened(id), frame(data, 0, id, message(Buffer.alloc(0), 7 * mebibyte)));
      const windows = peer.windows();
      while (open.size > 0 && !peer.isOver) {
        let sent = 0;
        for (const id of open) {
          if (peer.hasEnded(id) || windows.sentBytes(id) > 6 * mebibyte) open.delete(id);
          else if (windows.take(id, 16_384))
            sent += await peer.send(frame(data, 0, id, Buffer.alloc(16_384))).then(() => 1);
        }
        if (sent === 0) await pause(5);
      }
      await peer.send(unaryCall(1_001, echo, sized(1)));
      expect(await peer.statusOf(1_001)).toBe('0');
    });
    const statuses = await Promise.all(Array.from({ length: 100 }, (_, i) => peer.headersOf(2 * i + 1).includes('8')));
    expect(statuses.filter(Boolean).length).toBeGreaterThan(80);
  });
});

describe('numbers of streams', () => {
  it('go up to 2^31 - 1, and no lower one comes after it', async () => {
    const peer = await connected();
    await peer.send(unaryCall(maxInt31, echo, sized(1)));
    expect(await peer.statusOf(maxInt31)).toBe('0');
    await peer.send(unaryCall(3, echo, sized(1)));
    await peer.ended();
    expect(peer.goawayCode).toBe(errorCode.protocolError);
  });

  it.each([
    ["HEADERS of the server's own", opened(2)],
    ['HEADERS of no stream', opened(0)],
    ['DATA before HEADERS', frame(data, 0, 1, Buffer.alloc(1))],
    ['RST_STREAM before HEADERS', number(rstStream, 1, 8)],
    ['WINDOW_UPDATE before HEADERS', number(windowUpdate, 1, 8)],
    ['PUSH_PROMISE', frame(frameType.pushPromise, endHeaders, 1, Buffer.from([0, 0, 0, 2]))],
    ['CONTINUATION of nothing', frame(continuation, endHeaders, 1)],
  ])('%s break the rules of the connection', async (_, bytes) => {
    const peer = await connected();
    await peer.send(bytes);
    await peer.ended();
    expect(peer.goawayCode).toBe(errorCode.protocolError);
  });
});
