import type { ServerDuplexStream, ServiceDefinition } from '@grpc/grpc-js';
import { GrpcServer, handle } from '#libs/rpc/grpc-server.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Readiness } from '#libs/telemetry/readiness.js';
import { adminGuard } from '#libs/testing/admin-guard.js';

// A server that is attacked, in a process of its own: the memory it has is all its own, and a crash is seen. What it has of both is told to the test that started it.
const address = process.argv[2]!;
let peakBytes = 0;
setInterval(() => (peakBytes = Math.max(peakBytes, process.memoryUsage.rss())), 10).unref();
let atWork = 0;
let mostAtWork = 0;

const sameBytes = (bytes: Buffer): Buffer => bytes;
const method = (name: string, isStream: boolean) => ({
  path: `/millrace.test.Attacked/${name}`,
  requestStream: isStream,
  responseStream: isStream,
  requestSerialize: sameBytes,
  requestDeserialize: sameBytes,
  responseSerialize: sameBytes,
  responseDeserialize: sameBytes,
});
const service: ServiceDefinition = {
  Echo: method('Echo', false),
  Large: method('Large', false),
  Stubborn: method('Stubborn', false),
  Chat: method('Chat', true),
};

/** Answers nothing, after 300 ms, whether anybody still waits or not. */
async function stubborn(): Promise<Buffer> {
  atWork += 1;
  mostAtWork = Math.max(mostAtWork, atWork);
  await new Promise((resolve) => setTimeout(resolve, 300));
  atWork -= 1;
  return Buffer.alloc(0);
}

function chat(stream: ServerDuplexStream<Buffer, Buffer>): void {
  stream.on('data', (bytes: Buffer) => {
    if (stream.write(bytes)) return;
    stream.pause();
    stream.once('drain', () => stream.resume());
  });
  stream.on('end', () => stream.end());
}

const handlers = {
  Echo: handle.unary(async (bytes: Buffer) => bytes),
  /** Of so many bytes as its message says. */
  Large: handle.unary(async (bytes: Buffer) => Buffer.alloc(bytes.readUInt32BE(0))),
  Stubborn: handle.unary(stubborn),
  Chat: handle.duplex(chat),
};

const log = new Logger('attacked', 'error', (line) => process.stderr.write(line));
const server = new GrpcServer(
  address,
  adminGuard('test', 'a-token-of-this-test'),
  new Readiness(),
  log,
  200,
  undefined,
  { transport: 'wire' },
);
server.addService(service, handlers, Object.keys(service));

process.on('message', (asked) => {
  if (asked === 'from now') mostAtWork = atWork;
  globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  process.send?.({ heldBytes: heapUsed + external, rssBytes: rss, peakBytes, atWork, mostAtWork });
  peakBytes = rss;
});
process.on('disconnect', () => process.exit(0));
server.listen((error) => {
  if (error !== undefined) throw error as Error;
  process.send?.('listening');
});
