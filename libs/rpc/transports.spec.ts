import { credentials, Metadata, type ServerDuplexStream, type ServiceError } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  InferBatch,
  InferenceWorkerClient,
  InferenceWorkerService,
  InferResult,
  type PrepareRequest,
  PrepareResponse,
} from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Readiness } from '#libs/telemetry/readiness.js';
import { adminGuard } from '#libs/testing/admin-guard.js';
import { freePort } from '#libs/testing/service-process.js';
import { Peer } from './grpc-client.js';
import { GrpcServer, handle } from './grpc-server.js';
import type { CallContext } from './served-context.js';
import { grpcTransports } from './grpc-transport.js';

const token = 'a-token-of-sixteen-and-more';
const large = 8 * 1024 * 1024 - 1_000;

describe.each(grpcTransports)('over %s', (transport) => {
  let address: string;
  let server: GrpcServer;
  let peer: Peer<InferenceWorkerClient>;
  const aborted: string[] = [];
  /** Resolves when a handler that waits has been told that nobody waits for it. */
  let told: Promise<void>;

  beforeAll(async () => {
    address = `127.0.0.1:${await freePort()}`;
    const quiet = new Logger('test', 'error', () => undefined);
    server = new GrpcServer(address, adminGuard('t', token), new Readiness(), quiet, 200, undefined, { transport });
    let tell: () => void;
    told = new Promise((resolve) => (tell = resolve));
    server.addService(InferenceWorkerService, {
      prepare: handle.unary(({ onnxSha256 }: PrepareRequest, { signal }: CallContext) => {
        if (onnxSha256 === 'throw') throw new Error('at once');
        if (onnxSha256 !== 'wait') return Promise.resolve(PrepareResponse.create({ inputName: onnxSha256 }));
        return new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            aborted.push(onnxSha256);
            tell();
            resolve(PrepareResponse.create());
          });
        });
      }),
      infer: handle.duplex((stream: ServerDuplexStream<InferBatch, InferResult>) => {
        stream.on('data', ({ batchId, input }: InferBatch) => {
          if (!stream.write(InferResult.fromPartial({ batchId, output: input }))) stream.pause();
        });
        stream.on('drain', () => stream.resume());
        stream.on('end', () => stream.end());
        stream.on('error', () => undefined);
        stream.on('cancelled', () => aborted.push('infer'));
      }),
    });
    await new Promise<void>((resolve, reject) =>
      server.listen((error) => (error ? reject(error as Error) : resolve())),
    );
    peer = new Peer(InferenceWorkerClient, 'worker', address, token);
  });
  afterAll(async () => {
    peer.close();
    await server.close();
  });

  it('a message as large as one may be goes there and back, a larger one is refused', async () => {
    const text = 'x'.repeat(large);
    const prepare = (onnxSha256: string) => peer.call((stub) => stub.prepare, { onnxSha256, features: 1 }, 20_000);
    expect((await prepare(text)).inputName).toBe(text);
    await expect(prepare(text.repeat(2))).rejects.toMatchObject({ code: 'resource-exhausted' });
    expect(await prepare('x')).toMatchObject({ inputName: 'x' });
  });

  it.each(grpcTransports)('messages of a stream come back whole and in order to a client over %s', async (client) => {
    const sizes = [0, 1, 16_379, 16_380, 65_536, 300_000, 2_000_000, 5];
    const stream = peer.openStream<InferBatch, InferResult>(InferenceWorkerService.infer, client);
    const answers: [number, number, number | undefined][] = [];
    const ended = new Promise<void>((resolve, reject) => {
      stream.on('end', resolve);
      stream.on('error', reject);
    });
    stream.on('data', ({ batchId, output }) => answers.push([batchId, output.length, output.at(-1)]));
    for (const [i, size] of sizes.entries())
      stream.write(InferBatch.fromPartial({ batchId: i + 1, input: Buffer.alloc(size, i + 1) }));
    stream.end();
    await ended;
    expect(answers).toEqual(sizes.map((size, i) => [i + 1, size, size === 0 ? undefined : i + 1]));
  });

  it('a handler that throws at once is answered INTERNAL, and the next call is served', async () => {
    const prepare = (onnxSha256: string) => peer.call((stub) => stub.prepare, { onnxSha256, features: 1 }, 2_000);
    await expect(prepare('throw')).rejects.toMatchObject({ code: 'internal' });
    expect(await prepare('x')).toMatchObject({ inputName: 'x' });
  });

  it('a packed request is unpacked, and one that is too large unpacked is refused', async () => {
    const packing = new InferenceWorkerClient(address, credentials.createInsecure(), {
      'grpc.default_compression_algorithm': 2,
      'grpc.max_send_message_length': -1,
    });
    const metadata = new Metadata();
    metadata.set('authorization', `Bearer ${token}`);
    const prepare = (onnxSha256: string) =>
      new Promise<PrepareResponse>((resolve, reject) => {
        packing.prepare({ onnxSha256, features: 1 }, metadata, (error, answer) =>
          error ? reject(error) : resolve(answer),
        );
      });
    expect(await prepare('z'.repeat(100_000))).toMatchObject({ inputName: 'z'.repeat(100_000) });
    await expect(prepare('z'.repeat(20_000_000))).rejects.toMatchObject({ code: 8 });
    packing.close();
  });

  it('a handler hears that its caller has left, or waits no longer', async () => {
    aborted.length = 0; // streams that ended hear of it too
    await expect(peer.call((stub) => stub.prepare, { onnxSha256: 'wait', features: 1 }, 150)).rejects.toMatchObject({
      code: 'deadline-exceeded',
    });
    await told;
    expect(aborted).toEqual(['wait']);
    const stream = peer.stub.infer(peer.metadata);
    const failed = new Promise<ServiceError>((resolve) => stream.on('error', resolve));
    stream.write(InferBatch.fromPartial({ batchId: 1 }));
    await new Promise((resolve) => stream.once('data', resolve));
    stream.cancel();
    expect(await failed).toMatchObject({ code: 1 });
    for (let i = 0; i < 200 && !aborted.includes('infer'); i += 1)
      await new Promise((resolve) => setTimeout(resolve, 10));
    expect(aborted).toEqual(['wait', 'infer']);
  });
});
