import { type ServerDuplexStream, type ServiceDefinition, type ServiceError } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AccessGuard } from '#libs/auth/access-guard.js';
import { Authorizer } from '#libs/auth/authorizer.js';
import type { Caller } from '#libs/auth/caller.js';
import { TokenAuthenticator } from '#libs/auth/token-authenticator.js';
import {
  type Artifact,
  type ArtifactChunk,
  RegistryClient,
  RegistryService,
} from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { Run, TrainerClient, TrainerService } from '#libs/contracts/generated/millrace/trainer/v1/trainer.js';
import {
  InferBatch,
  InferenceWorkerClient,
  InferenceWorkerService,
  InferResult,
} from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Readiness } from '#libs/telemetry/readiness.js';
import { Peer } from './grpc-client.js';
import { GrpcServer, handle } from './grpc-server.js';
import type { CallContext } from './served-context.js';
import { grpcTransports } from './grpc-transport.js';

const address = '127.0.0.1:47196';
const lifeMs = 300;

/** Every token is a JWT, verified a moment later, which has 0.3 s to live. */
class SlowJwts extends TokenAuthenticator {
  override async authenticate(authorization: string | undefined): Promise<Caller> {
    await new Promise((resolve) => setTimeout(resolve, 20));
    if (authorization === 'Bearer wrong') throw new MillraceError('unauthenticated', 'authorization: it is wrong');
    if (authorization === 'Bearer nobody') return { name: 'nobody', roles: [], expiresMs: Date.now() + lifeMs };
    return { name: 'ada', roles: ['admin'], expiresMs: Date.now() + lifeMs };
  }
}

describe.each(grpcTransports)('over %s', (transport) => {
  const server = new GrpcServer(
    address,
    new AccessGuard(new SlowJwts('a=0123456789abcdef', 'a=admin'), new Authorizer(), () => undefined),
    new Readiness(),
    new Logger('test', 'error', () => undefined),
    200,
    undefined,
    { transport },
  );
  const logged: string[] = [];
  const rest = (definition: ServiceDefinition) =>
    Object.fromEntries(Object.keys(definition).map((name) => [name, handle.notBuilt]));

  beforeAll(async () => {
    server.addService(TrainerService, {
      ...rest(TrainerService),
      watchRun: handle.serverStream(async function* (_request: unknown, { signal, caller }: CallContext) {
        yield Run.fromPartial({ runId: caller.name });
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        logged.push('watch was told');
        throw new Error('broken off');
      }),
    });
    server.addService(RegistryService, {
      ...rest(RegistryService),
      putArtifact: handle.clientStream(async (chunks: AsyncIterable<ArtifactChunk>) => {
        let sizeBytes = 0;
        for await (const { data } of chunks) sizeBytes += data.length;
        return { sha256: 'x', sizeBytes } satisfies Artifact;
      }),
    });
    server.addService(InferenceWorkerService, {
      ...rest(InferenceWorkerService),
      infer: handle.duplex((stream: ServerDuplexStream<InferBatch, InferResult>) => {
        stream.on('data', ({ batchId }: InferBatch) => stream.write(InferResult.fromPartial({ batchId })));
        stream.on('end', () => stream.end());
        stream.on('error', () => logged.push('infer was told'));
      }),
    });
    await new Promise<void>((resolve, reject) =>
      server.listen((error) => (error ? reject(error as Error) : resolve())),
    );
  });
  afterAll(() => server.close());

  const expired = { code: 16, details: expect.stringMatching(/the JWT of ada has expired/) };
  const failureOf = (call: NodeJS.EventEmitter) => new Promise((resolve) => call.once('error', resolve));

  it('a call waits for its JWT to be verified, and is refused when it is wrong or its bearer may not', async () => {
    const asked = async (token: string) => {
      const peer = new Peer(TrainerClient, 'trainer', address, token);
      const failure = await peer.call((stub) => stub.getRun, { runId: 'x' }, 2_000).catch((error: unknown) => error);
      peer.close();
      return failure;
    };
    expect(await asked('right')).toMatchObject({ code: 'unimplemented' });
    expect(await asked('wrong')).toMatchObject({
      code: 'unauthenticated',
      message: 'trainer: authorization: it is wrong',
    });
    expect(await asked('nobody')).toMatchObject({ code: 'permission-denied' });
  });

  it('what a client sends while its JWT is verified is not lost', async () => {
    const peer = new Peer(RegistryClient, 'registry', address, 'right');
    const answer = new Promise((resolve, reject) => {
      const call = peer.stub.putArtifact(peer.metadata, (error, artifact) =>
        error ? reject(error) : resolve(artifact),
      );
      for (let i = 0; i < 5; i += 1) call.write({ data: Buffer.alloc(1_000) });
      call.end();
    });
    expect(await answer).toEqual({ sha256: 'x', sizeBytes: 5_000 });
    peer.close();
  });

  it('a stream ends when the JWT that opened it expires, in whichever direction it flows', async () => {
    const [trainer, registry, worker] = [
      new Peer(TrainerClient, 'trainer', address, 'right'),
      new Peer(RegistryClient, 'registry', address, 'right'),
      new Peer(InferenceWorkerClient, 'worker', address, 'right'),
    ];
    const watch = trainer.stub.watchRun({ runId: 'x' }, trainer.metadata);
    const seen: unknown[] = [];
    watch.on('data', (run: Run) => seen.push(run.runId));
    expect(await failureOf(watch)).toMatchObject(expired);
    expect(seen).toEqual(['ada']);

    const infer = worker.stub.infer(worker.metadata);
    infer.on('data', ({ batchId }: InferResult) => seen.push(batchId));
    infer.write(InferBatch.fromPartial({ batchId: 7 }));
    expect(await failureOf(infer)).toMatchObject(expired);
    expect(seen).toEqual(['ada', 7]);

    const put = await new Promise<ServiceError | null>((resolve) => {
      registry.stub.putArtifact(registry.metadata, (error) => resolve(error)).write({ data: Buffer.alloc(10) });
    });
    expect(put).toMatchObject(expired);
    expect(logged).toEqual(['watch was told', 'infer was told']);
    for (const peer of [trainer, registry, worker]) peer.close();
  });
});
