import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { expect, it } from '@jest/globals';
import { HealthClient } from '#libs/contracts/generated/grpc/health/v1/health.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Readiness } from '#libs/telemetry/readiness.js';
import { adminGuard } from '#libs/testing/admin-guard.js';
import { freePort } from '#libs/testing/service-process.js';
import { Peer } from './grpc-client.js';
import { GrpcServer } from './grpc-server.js';
import { grpcTransports } from './grpc-transport.js';

it.each(grpcTransports)(
  'A connection that has become old is replaced by a new one, and no call notices (%s).',
  async (transport) => {
    const token = 'a-token-of-sixteen-and-more';
    const [address, port] = [`127.0.0.1:${await freePort()}`, await freePort()];
    const quiet = new Logger('test', 'error', () => undefined);
    const server = new GrpcServer(address, adminGuard('t', token), new Readiness(), quiet, 200, undefined, {
      maxConnectionAgeMs: 300,
      transport,
    });
    await new Promise<void>((resolve, reject) =>
      server.listen((error) => (error ? reject(error as Error) : resolve())),
    );
    const sockets: Socket[] = [];
    const between = createServer((socket) => {
      const onward = connect(Number(address.split(':')[1]), '127.0.0.1');
      sockets.push(socket);
      socket.pipe(onward).pipe(socket);
      for (const end of [socket, onward]) end.on('error', () => socket.destroy());
    }).listen(port, '127.0.0.1');
    await once(between, 'listening');
    const peer = new Peer(HealthClient, 'server', `127.0.0.1:${port}`, token);
    let calls = 0;
    for (const untilMs = Date.now() + 20_000; sockets.length < 4 && Date.now() < untilMs; calls += 1)
      await peer.call((stub) => stub.check, { service: '' }, 5_000);
    expect(sockets.length).toBe(4);
    expect(calls).toBeGreaterThan(4);
    peer.close();
    await server.close();
    for (const socket of sockets) socket.destroy();
    between.close();
  },
  30_000,
);
