import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, expect, it, jest } from '@jest/globals';
import { maxConnections } from '#libs/rpc/wire/wire-transport.js';
import { until } from '#libs/testing/until.js';
import { errorCode, frameFlag, frameType, maxInt31, settingId } from '../frame.js';
import { callHeaders, frame, number, settings, unaryCall } from './raw-peer.js';
import { chat, echo, large, opened, repeated, sized, stubborn, UnderAttack } from './under-attack.js';

const { headers, data, rstStream, continuation, ping, priority, windowUpdate } = frameType;
const { endHeaders } = frameFlag;

jest.setTimeout(60_000);
const attack = new UnderAttack();

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
    const peer = await attack.connected();
    await attack.harmless(async () => {
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
    const peer = await attack.connected({ [settingId.initialWindowSize]: 0 });
    await attack.harmless(async () => {
      await peer.send(repeated(900, (i) => unaryCall(2 * i + 1, large, sized(60_000))));
      await peer.ping();
      await peer.flood(hundred(flooded), 20_000);
      await peer.ended();
    });
    expect(peer.goawayCode).toBe(errorCode.enhanceYourCalm);
  });

  it('streams that are opened and taken back at once (rapid reset)', async () => {
    const peer = await attack.connected();
    let id = -1;
    await attack.harmless(async () => {
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
    const peer = await attack.connected();
    let id = -1;
    const call = () => Buffer.concat([unaryCall((id += 2), stubborn, eight), broken(id)]);
    await attack.server.idle();
    await attack.harmless(() => peer.flood(() => repeated(50, call), 100));
    const { mostAtWork } = await attack.server.memory();
    expect(mostAtWork).toBeGreaterThan(100);
    expect(mostAtWork).toBeLessThanOrEqual(1_000);
  });

  it.each([
    ['full', 16_384],
    ['empty', 0],
  ])('CONTINUATION without end, %s', async (_, bytes) => {
    const peer = await attack.connected();
    await attack.harmless(async () => {
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

it('more connections than a server takes are closed, those before them are served, and so is whoever comes when they have left', async () => {
  const first = await attack.connected();
  await attack.harmless(async () => {
    const others: Socket[] = [];
    let closed = 0;
    for (let i = 0; i < maxConnections + 100; i += 1) {
      const socket = connect(attack.server.port, '127.0.0.1');
      socket.on('error', () => undefined).on('close', () => (closed += 1));
      others.push(socket);
      if (i % 100 === 99) await once(socket, 'connect');
    }
    await until(() => closed >= 100, 'those beyond to be closed');
    await first.send(unaryCall(1, echo, sized(8)));
    expect(await first.statusOf(1)).toBe('0');
    for (const socket of others) socket.destroy();
  });
  const late = await attack.connected();
  await late.send(unaryCall(1, echo, sized(8)));
  expect(await late.statusOf(1)).toBe('0');
});
