import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { Metadata } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { frameFlag, frameType } from '#libs/http2/frame.js';
import { encodeHeaders } from '#libs/http2/hpack-encoder.js';
import { frame, message } from '#libs/http2/test/raw-peer.js';
import {
  InferBatch,
  InferenceWorkerService,
  InferResult,
} from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import { generator } from '#libs/numeric/generator.js';
import { WireClientStream } from './wire-client-stream.js';

const result = Buffer.from(InferResult.encode(InferResult.fromPartial({ batchId: 1 })).finish());
const settings = frame(frameType.settings, 0, 0, Buffer.alloc(0));
const headers = frame(
  frameType.headers,
  frameFlag.endHeaders,
  1,
  encodeHeaders([':status', '200', 'content-type', 'application/grpc']),
);
const data = frame(frameType.data, 0, 1, message(result));
const trailers = (...pairs: string[]) =>
  frame(frameType.headers, frameFlag.endHeaders | frameFlag.endStream, 1, encodeHeaders(pairs));
const ok = trailers('grpc-status', '0');

let answer: Buffer;
let server: Server;
const sockets = new Set<Socket>();

beforeAll(async () => {
  server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.resume().end(answer);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => {
  for (const socket of sockets) socket.destroy();
  server.close();
});

/** What becomes of a stream whose peer sends that, and goes. */
async function outcomeOf(
  bytes: Buffer,
): Promise<{ answers: number[]; end: string | { code: number; details: string } }> {
  answer = bytes;
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const stream = new WireClientStream(address, InferenceWorkerService.infer, new Metadata());
  const answers: number[] = [];
  let ends = 0;
  stream.on('data', ({ batchId }: InferResult) => answers.push(batchId));
  const end = await new Promise<string | { code: number; details: string }>((resolve) => {
    stream.on('end', () => resolve((ends += 1) > 1 ? 'twice' : 'end'));
    stream.on('error', ({ code, details }: { code: number; details: string }) => {
      ends += 1;
      resolve({ code, details });
    });
    stream.write(InferBatch.fromPartial({ batchId: 1 }));
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(ends).toBe(1);
  return { answers, end };
}

it('answers, then OK', async () => {
  expect(await outcomeOf(Buffer.concat([settings, headers, data, data, ok]))).toEqual({ answers: [1, 1], end: 'end' });
});

it.each<[string, Buffer[], number, RegExp]>([
  ['a status', [headers, trailers('grpc-status', '7', 'grpc-message', 'no%20%E2%82%AC')], 7, /^no €$/],
  ['a status alone', [trailers(':status', '200', 'grpc-status', '8', 'grpc-message', '100%')], 8, /^100%$/],
  ['HTTP alone', [trailers(':status', '503')], 14, /HTTP status 503/],
  [
    'no status at all',
    [headers, frame(frameType.data, frameFlag.endStream, 1, message(result))],
    13,
    /without a status/,
  ],
  ['half a message', [headers, data.subarray(0, -1)], 14, /the connection is lost/],
  ['no HTTP/2', [Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')], 14, /./],
  ['nothing', [], 14, /./],
])('a stream that is answered by %s fails with what that says', async (_, frames, code, details) => {
  const { end } = await outcomeOf(frames.length === 0 ? Buffer.alloc(0) : Buffer.concat([settings, ...frames]));
  expect(end).toMatchObject({ code, details: expect.stringMatching(details) });
});

it('whatever is sent in place of an answer, its stream ends once, by an error or as it should', async () => {
  const whole = Buffer.concat([settings, headers, data, data, ok]);
  const random = generator(20_261_126);
  for (let i = 0; i < 500; i += 1) {
    const mutated = Buffer.from(whole);
    for (let changes = 1 + Math.floor(random() * 4); changes > 0; changes -= 1)
      mutated[Math.floor(random() * mutated.length)] = Math.floor(random() * 256);
    const { end } = await outcomeOf(
      mutated.subarray(0, random() < 0.2 ? Math.floor(random() * mutated.length) : undefined),
    );
    if (end !== 'end') expect(end).toMatchObject({ code: expect.any(Number), details: expect.any(String) });
  }
}, 60_000);
