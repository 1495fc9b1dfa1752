import { describe, expect, it, jest } from '@jest/globals';
import { errorCode, frameFlag, frameType, maxInt31 } from '../frame.js';
import { callHeaders, frame, message, number, preface, settings, unaryCall } from './raw-peer.js';
import { echo, mebibyte, opened, pause, repeated, sized, UnderAttack } from './under-attack.js';

const { headers, data, rstStream, continuation, ping, windowUpdate } = frameType;
const { endHeaders, endStream } = frameFlag;

jest.setTimeout(60_000);
const attack = new UnderAttack();

describe('what is begun and not ended', () => {
  it('a preface and the first frame after it are waited for 10 s', async () => {
    const begun = [preface.subarray(0, 10), Buffer.concat([preface, settings().subarray(0, 5)])];
    const peers = await Promise.all(begun.map((bytes) => attack.greeting(bytes)));
    await attack.harmless(() => Promise.all(peers.map((peer) => peer.ended())));
    for (const peer of peers) expect(peer.goawayCode).toBe(errorCode.protocolError);
  });

  it.each([
    ['another protocol', Buffer.from('GET / HTTP/1.1\r\nhost: here\r\n\r\n')],
    ['a preface with an error in it', Buffer.from(preface.toString().replace('SM', 'MS'))],
    ['no SETTINGS', Buffer.concat([preface, frame(ping, 0, 0, Buffer.alloc(8))])],
    ['a frame that is too large', Buffer.concat([preface, settings(), frame(data, 0, 1, Buffer.alloc(0), 16_385)])],
  ])('%s is ended at once', async (_, bytes) => {
    const peer = await attack.greeting(bytes);
    const startedMs = performance.now();
    await peer.ended();
    expect(performance.now() - startedMs).toBeLessThan(2_000);
    expect(peer.goawayCode).toBeGreaterThan(0);
  });

  it('half a frame on each of 500 connections holds little, for as long as they like', async () => {
    const many = await Promise.all(Array.from({ length: 500 }, () => attack.connected()));
    await attack.harmless(async () => {
      for (const peer of many) await peer.send(frame(data, 0, 1, Buffer.alloc(3), 16_000).subarray(0, 5));
      await pause(1_000);
      const { rssBytes } = await attack.server.memory();
      expect(rssBytes).toBeLessThan(512 * mebibyte);
    });
  });

  it('a conversation that comes byte by byte is served', async () => {
    const peer = await attack.greeting(Buffer.alloc(0));
    const said = Buffer.concat([preface, settings(), unaryCall(1, echo, Buffer.from('byte by byte'))]);
    for (const byte of said) {
      await peer.send(Buffer.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await peer.statusOf(1)).toBe('0');
  });

  it('a call whose message never comes is ended at its deadline, and one without a deadline is not', async () => {
    const peer = await attack.connected();
    await peer.send(frame(headers, endHeaders, 1, callHeaders(echo, 'grpc-timeout', '200m')), opened(3));
    expect(await peer.statusOf(1)).toBe('4');
    expect(peer.headersOf(3)).toEqual([]);
    await peer.send(frame(data, endStream, 3, message(Buffer.from('late'))));
    expect(await peer.statusOf(3)).toBe('0');
  });

  it('a thousand calls without their messages are all that a connection may have; more are refused, and may be tried again', async () => {
    const peer = await attack.connected();
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
    const peer = await attack.connected();
    await peer.send(opened(1), frame(data, 0, 1, message(Buffer.alloc(1), bytes)));
    expect(await peer.statusOf(1)).toBe(status);
  });

  it('messages that announce 8 MiB each, on every stream there may be, get no room for it before they come', async () => {
    const peer = await attack.connected();
    await attack.harmless(async () => {
      const begun = message(Buffer.alloc(1), 8 * mebibyte);
      await peer.send(repeated(1_000, (i) => Buffer.concat([opened(2 * i + 1), frame(data, 0, 2 * i + 1, begun)])));
      await peer.ping();
    });
  });

  it('messages that come nearly whole on many streams are refused together above 64 MiB, and their connection is served', async () => {
    const peer = await attack.connected();
    await attack.harmless(async () => {
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
    const peer = await attack.connected();
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
    const peer = await attack.connected();
    await peer.send(bytes);
    await peer.ended();
    expect(peer.goawayCode).toBe(errorCode.protocolError);
  });
});
