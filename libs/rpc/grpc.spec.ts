import { credentials, Metadata, type ServerDuplexStream, type ServiceError } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { AccessGuard, type Denial } from '#libs/auth/access-guard.js';
import { Authorizer } from '#libs/auth/authorizer.js';
import { TokenAuthenticator } from '#libs/auth/token-authenticator.js';
import { HealthCheckResponse_ServingStatus, HealthClient } from '#libs/contracts/generated/grpc/health/v1/health.js';
import {
  InferenceWorkerClient,
  InferenceWorkerService,
  type InferBatch,
  InferResult,
  type PrepareRequest,
  PrepareResponse,
} from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Readiness } from '#libs/telemetry/readiness.js';
import { adminGuard } from '#libs/testing/admin-guard.js';
import { Peer } from './grpc-client.js';
import { GrpcServer, handle } from './grpc-server.js';
import { grpcTransports } from './grpc-transport.js';

const token = 'a-token-of-sixteen-and-more';
const address = '127.0.0.1:47193';
describe.each(grpcTransports)('over %s', (transport) => {
  const readiness = new Readiness();
  const logged: string[] = [];
  const strangersToken = 'the-token-of-a-stranger';
  const denials: Denial[] = [];
  const server = new GrpcServer(
    address,
    new AccessGuard(
      new TokenAuthenticator(`tester=${token},stranger=${strangersToken}`, 'tester=admin'),
      new Authorizer(),
      (denial) => denials.push(denial),
    ),
    readiness,
    new Logger('test', 'error', (line) => logged.push(line)),
    200,
    undefined,
    { transport },
  );
  const peer = new Peer(InferenceWorkerClient, 'worker', address, token);
  const stranger = new Peer(InferenceWorkerClient, 'worker', address, strangersToken);

  beforeAll(async () => {
    server.addService(InferenceWorkerService, {
      prepare: handle.unary(async ({ onnxSha256 }: PrepareRequest, { caller }) => {
        if (onnxSha256 === 'missing')
          throw new MillraceError('not-found', 'onnx_sha256: "missing" is not in the store');
        if (onnxSha256 === 'bug') throw new TypeError('secret internals');
        return PrepareResponse.create({ inputName: caller.name });
      }),
      infer: handle.duplex((stream: ServerDuplexStream<InferBatch, InferResult>) => {
        stream.on('data', ({ batchId }: InferBatch) => stream.write(InferResult.fromPartial({ batchId })));
        stream.on('end', () => stream.end());
        stream.on('error', () => stream.end());
      }),
    });
    await new Promise<void>((resolve, reject) =>
      server.listen((error) => (error ? reject(error as Error) : resolve())),
    );
  });
  afterAll(async () => {
    peer.close();
    stranger.close();
    await server.close();
  });

  const prepare = (onnxSha256: string) => peer.call((stub) => stub.prepare, { onnxSha256, features: 1 }, 2_000);

  describe('a call', () => {
    it('knows its caller', async () => expect(await prepare('x')).toMatchObject({ inputName: 'tester' }));

    it('is refused without a known token', async () => {
      for (const wrong of ['another-token-of-sixteen', '']) {
        const unknown = new Peer(InferenceWorkerClient, 'worker', address, wrong);
        await expect(
          unknown.call((stub) => stub.prepare, { onnxSha256: 'x', features: 1 }, 2_000),
        ).rejects.toMatchObject({ code: 'unauthenticated' });
        unknown.close();
      }
    });

    it('is refused without a role that may, before the handler hears of it', async () => {
      for (const wrong of [
        () => stranger.call((stub) => stub.prepare, { onnxSha256: 'bug', features: 1 }, 2_000),
        () => new Promise((_, reject) => stranger.stub.infer(stranger.metadata).on('error', reject).resume()),
      ])
        await expect(wrong()).rejects.toMatchObject({
          message: expect.stringMatching(/stranger may not predict artifacts/),
        });
      expect(denials.map(({ resource, method }) => `${resource} ${method}`)).toEqual([
        'artifacts/bug /millrace.worker.v1.InferenceWorker/Prepare',
        'artifacts/* /millrace.worker.v1.InferenceWorker/Infer',
      ]);
    });

    it('gets the status and the words of what was thrown, with the name of the peer', async () => {
      await expect(prepare('missing')).rejects.toMatchObject({
        code: 'not-found',
        message: 'worker: onnx_sha256: "missing" is not in the store',
      });
    });

    it('learns nothing of what is inside when there is a bug; the log does', async () => {
      await expect(prepare('bug')).rejects.toMatchObject({
        code: 'internal',
        message: expect.not.stringMatching(/secret/),
      });
      expect(logged.join()).toMatch(/secret internals/);
    });

    it('that cannot be read is the fault of its caller', async () => {
      const path = '/millrace.worker.v1.InferenceWorker/Prepare';
      const answer = new Promise((_, reject) =>
        peer.stub.makeUnaryRequest(
          path,
          (bytes: Buffer) => bytes,
          String,
          Buffer.from('0aff', 'hex'),
          peer.metadata,
          reject,
        ),
      );
      await expect(answer).rejects.toMatchObject({
        code: 3,
        details: 'the request is not a protobuf message of this method',
      });
    });

    it('has words that fit in its trailers, whatever the request repeats in them', async () => {
      await expect(
        peer.call((stub) => stub.prepare, { onnxSha256: `missing ${'😀'.repeat(100_000)}`, features: 1 }, 2_000),
      ).resolves.toBeDefined();
      const long = stranger.call((stub) => stub.prepare, { onnxSha256: `${'x'.repeat(189)}😀`, features: 1 }, 2_000);
      await expect(long).rejects.toMatchObject({ code: 'permission-denied' });
    });

    it('has a deadline, also against a peer that is away', async () => {
      const away = new Peer(InferenceWorkerClient, 'nobody', '127.0.0.1:47194', token);
      await expect(away.call((stub) => stub.prepare, { onnxSha256: 'x', features: 1 }, 300)).rejects.toMatchObject({
        code: expect.stringMatching(/unavailable|deadline-exceeded/),
      });
      away.close();
    });
  });

  describe('a call that a gate refuses', () => {
    let refusal: MillraceError | undefined;
    beforeAll(() => server.addGate(InferenceWorkerService.prepare.path, () => refusal));
    afterEach(() => (refusal = undefined));

    it('is answered before it is read or authenticated, with when to come again', async () => {
      refusal = new MillraceError('resource-exhausted', 'too many: 100 % of them', { retryAfterMs: 70 });
      const answer = new Promise<ServiceError>((resolve) =>
        peer.stub.makeUnaryRequest(
          InferenceWorkerService.prepare.path,
          (bytes: Buffer) => bytes,
          String,
          Buffer.from('0aff', 'hex'), // no protobuf message
          new Metadata(),
          (error) => resolve(error!),
        ),
      );
      const { code, details, metadata } = await answer;
      expect({ code, details }).toEqual({ code: 8, details: 'too many: 100 % of them' });
      expect(metadata.get('grpc-retry-pushback-ms')).toEqual(['70']);
      expect(metadata.get('millrace-code')).toEqual(['resource-exhausted']);
      refusal = undefined;
      expect(await prepare('x')).toMatchObject({ inputName: 'tester' });
    });

    it('takes nothing from the calls after it, however large it was', async () => {
      refusal = new MillraceError('resource-exhausted', 'too many');
      // Together more than the windows of the connection and of a stream.
      const large = Array.from({ length: 40 }, () => prepare('x'.repeat(300_000)).catch((error: unknown) => error));
      for (const error of await Promise.all(large)) expect(error).toMatchObject({ code: 'resource-exhausted' });
      refusal = undefined;
      for (let i = 0; i < 5; i++) expect(await prepare('y'.repeat(300_000))).toMatchObject({ inputName: 'tester' });
    });
  });

  it('health is open, and says when the service is not ready', async () => {
    const health = new HealthClient(address, credentials.createInsecure());
    const check = (): Promise<number> =>
      new Promise((resolve, reject) =>
        health.check({ service: '' }, new Metadata(), (error, answer) =>
          error ? reject(error) : resolve(answer.status),
        ),
      );
    expect(await check()).toBe(HealthCheckResponse_ServingStatus.SERVING);
    readiness.set('redis', 'away');
    expect(await check()).toBe(HealthCheckResponse_ServingStatus.NOT_SERVING);
    readiness.set('redis', undefined);
    health.close();
  });

  it('a service refuses to listen in plaintext on anything but loopback', () => {
    const open = (listen: string) => () =>
      new GrpcServer(listen, adminGuard('a', token), readiness, new Logger('test'), 0);
    for (const listen of ['0.0.0.0:1', '10.0.0.1:1', '[::]:1', 'example.org:1', '127.0.0.1.example.org:1'])
      expect(open(listen)).toThrow(/refusing to listen in plaintext/);
    for (const listen of ['127.0.0.1:1', 'localhost:1', '[::1]:1']) expect(open(listen)).not.toThrow();
  });

  it('every rpc of a service has a handler, or the service does not start', () => {
    const other = new GrpcServer(address, adminGuard('a', token), readiness, new Logger('test'), 0);
    expect(() => other.addService(InferenceWorkerService, { prepare: handle.unary(async () => ({})) })).toThrow(
      /no handler for rpc infer/,
    );
  });

  it('an rpc without an access rule keeps its service from starting', () => {
    const other = new GrpcServer(address, adminGuard('a', token), readiness, new Logger('test'), 0);
    const unruled = { Guess: { ...InferenceWorkerService.prepare, path: '/x.Y/Guess' } };
    expect(() => other.addService(unruled, { Guess: handle.unary(async () => ({})) })).toThrow(
      'no access rule for rpc /x.Y/Guess',
    );
  });
});
