import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { frameType } from './frame.js';
import { Outbox, worthNoCopy } from './outbox.js';
import { frame } from './test/raw-peer.js';

let server: Server;
let sender: Socket;
let receiver: Socket;
let received: Buffer[];

beforeEach(async () => {
  server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  sender = connect((server.address() as { port: number }).port, '127.0.0.1');
  [receiver] = await accepted;
  await once(sender, 'connect');
  received = [];
  receiver.on('data', (chunk: Buffer) => received.push(chunk));
});
afterEach(() => {
  sender.destroy();
  receiver.destroy();
  server.close();
});

const arrived = async (bytes: number): Promise<Buffer> => {
  while (Buffer.concat(received).length < bytes) await once(receiver, 'data');
  return Buffer.concat(received);
};
const { data } = frameType;

it('what is written in one turn, by whomever, goes out by one write at its end', async () => {
  const [one, other] = [new Outbox(sender), new Outbox(receiver)];
  let writes = 0;
  const write = sender.write.bind(sender);
  sender.write = ((chunk: Uint8Array) => {
    writes += 1;
    return write(chunk);
  }) as typeof sender.write;
  const frames = Array.from({ length: 100 }, (_, i) => frame(data, 0, i, Buffer.alloc(i, i)));
  frames.forEach((_, i) => one.frame(data, 0, i, Buffer.alloc(i, i)));
  other.bytes(Buffer.from('other'));
  const sent = Buffer.concat(frames);
  expect([one.unsentBytes, writes]).toEqual([sent.length, 0]);
  const back = once(sender, 'data');
  expect((await arrived(sent.length)).equals(sent)).toBe(true);
  expect(writes).toBe(1);
  expect(((await back) as [Buffer])[0].toString()).toBe('other');
  expect(one.unsentBytes).toBe(0);
});

it('pieces of any size arrive in order: copied while they are small, as they are where they are large', async () => {
  const outbox = new Outbox(sender);
  const sizes = [0, 1, worthNoCopy - 1, worthNoCopy, worthNoCopy + 1, 3, 65_536, 2, 300_000, 70, 5_000, 5_000, 5_000];
  const payloads = sizes.map((size, i) => Buffer.alloc(size, i + 1));
  for (let turn = 0; turn < 3; turn += 1) {
    payloads.forEach((payload, i) => outbox.frame(data, 0, i, Buffer.of(turn), payload));
    await new Promise((resolve) => setImmediate(resolve));
  }
  const turn = (n: number) => payloads.map((payload, i) => frame(data, 0, i, Buffer.concat([Buffer.of(n), payload])));
  const sent = Buffer.concat([0, 1, 2].flatMap(turn));
  expect((await arrived(sent.length)).equals(sent)).toBe(true);
});

it('small pieces may be changed as soon as they are written', async () => {
  const outbox = new Outbox(sender);
  const bytes = Buffer.from('as it was');
  outbox.bytes(bytes);
  bytes.fill(0);
  expect((await arrived(bytes.length)).toString()).toBe('as it was');
});

it('is full while its peer reads nothing, and what it holds is counted', async () => {
  const outbox = new Outbox(sender);
  receiver.pause();
  const piece = Buffer.alloc(100_000, 1);
  let sent = 0;
  while (!outbox.isFull) {
    outbox.bytes(piece);
    sent += piece.length;
    await new Promise((resolve) => setImmediate(resolve));
    expect(sent).toBeLessThan(100_000_000);
  }
  expect(outbox.unsentBytes).toBeGreaterThan(1_048_576);
  receiver.resume();
  await arrived(sent);
  expect([outbox.isFull, outbox.unsentBytes]).toEqual([false, 0]);
});

it('writes nothing to a socket that is gone', async () => {
  const outbox = new Outbox(sender);
  outbox.bytes(Buffer.from('late'));
  sender.destroy();
  outbox.flush();
  await once(receiver, 'close');
  expect(received).toEqual([]);
});
