import { describe, expect, it, jest } from '@jest/globals';
import { gzipSync } from 'node:zlib';
import { errorCode, frameFlag, frameType, maxInt31, settingId } from '../frame.js';
import { callHeaders, frame, message, number, settings, unaryCall } from './raw-peer.js';
import { echo, large, mebibyte, opened, pause, repeated, sized, stubborn, UnderAttack } from './under-attack.js';

const { headers, data, rstStream, ping, windowUpdate } = frameType;
const { endHeaders, endStream } = frameFlag;

jest.setTimeout(60_000);
const attack = new UnderAttack();

describe('a peer that does not take what it asks for', () => {
  it('with windows that stay closed is dropped before much waits for it', async () => {
    const peer = await attack.connected({ [settingId.initialWindowSize]: 0 });
    let id = -1;
    await attack.harmless(async () => {
      await peer.flood(() => unaryCall((id += 2), large, sized(mebibyte)), 500);
      await peer.ended();
    });
    expect(id).toBeLessThan(2 * 500);
    expect(peer.goawayCode).toBe(errorCode.enhanceYourCalm);
  });

  it('which reads nothing at all, with windows that are wide open, is dropped too', async () => {
    const peer = await attack.connected({ [settingId.initialWindowSize]: maxInt31 });
    await attack.harmless(async () => {
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
    const peer = await attack.connected();
    let id = -1;
    await attack.harmless(async () => {
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
    const peer = await attack.connected({ [settingId.initialWindowSize]: 0 });
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
    const peer = await attack.connected();
    const entry = 'v'.repeat(3_900);
    const bomb = (first: Buffer) => Buffer.concat([first, Buffer.alloc(12_000, 0xbe)]);
    const indexed = Buffer.concat([Buffer.from([0x40, 1, 0x78, 0x7f, 0xbd, 0x1d]), Buffer.from(entry)]);
    await attack.harmless(async () => {
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
    const peer = await attack.connected({ [settingId.initialWindowSize]: maxInt31 });
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
    await attack.harmless(async () => {
      for (let id = 1; id < 400; id += 2) await peer.send(call(id));
      await peer.ping();
      const statuses = new Set<string | undefined>();
      for (let id = 1; id < 400; id += 2) statuses.add(await peer.statusOf(id));
      expect([...statuses].filter((one) => one !== '8' && one !== status)).toEqual([]);
    });
  });
});
