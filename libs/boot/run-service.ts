import 'reflect-metadata';
import type { Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { AccessGuard } from '#libs/auth/access-guard.js';
import { Authorizer } from '#libs/auth/authorizer.js';
import { assertLoopback } from '#libs/auth/token-authenticator.js';
import { redactAll, type ServiceSettings } from '#libs/config/settings.js';
import type { ServiceName } from '#libs/contracts/services.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import { MessageLog } from '#libs/messaging/message-log.js';
import { Wiring } from '#libs/messaging/wiring.js';
import { GrpcServer } from '#libs/rpc/grpc-server.js';
import { splitAddress } from '#libs/rpc/split-address.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Readiness } from '#libs/telemetry/readiness.js';
import { Tracing } from '#libs/telemetry/tracing.js';
import { DenialsPublisher } from './denials.publisher.js';
import { DrainingHttpAdapter } from './draining-http.adapter.js';
import { type HttpDoor, HttpErrorFilter, requireAccess } from './http-edge.js';
import { traceRequests } from './http-spans.js';
import { OwnProcess } from './own-process.js';
import { followPolicies } from './policies.follower.js';

/**
 * Starts a service: Nest module (which connects and begins to consume in onApplicationBootstrap), then gRPC and HTTP, then ready. Refuses to start where its topics
 * differ from the table. SIGTERM drains: not ready, no new calls, intake stopped by Nest's hooks, calls in flight finished, Kafka closed. Exits 1 on a start that fails, for the supervisor to try again.
 */
export async function runService(
  name: ServiceName,
  settings: ServiceSettings,
  module: Type<unknown> | object,
  door?: HttpDoor,
): Promise<void> {
  const fallbackLog = new Logger(name);
  try {
    assertLoopback(settings.HTTP_LISTEN);
    const http = new DrainingHttpAdapter(settings.DRAIN_GRACE_MS);
    const app = await NestFactory.create<NestExpressApplication>(module as Type<unknown>, http, {
      logger: false,
      abortOnError: false,
      bodyParser: false,
    });
    const [log, readiness, grpc] = [app.get(Logger), app.get(Readiness), app.get(GrpcServer)];
    app.use(requireAccess(app.get(AccessGuard), door));
    app.use(traceRequests(app.get(Tracing)));
    app.useGlobalFilters(new HttpErrorFilter(log));
    app.connectMicroservice({ strategy: grpc });
    await followPolicies(app.get(MessageLog), app.get(Authorizer), log);
    await app.init();
    const problems = app.get(Wiring).problems(name);
    if (problems.length > 0) throw new Error(`topics: ${problems.join('; ')}`);
    await app.startAllMicroservices();
    const { host, port } = splitAddress(settings.HTTP_LISTEN);
    await app.listen(port, host);
    readiness.set('startup', undefined);
    const alone = app.get(OwnProcess).label === undefined; // else the service has started when all have
    log.info(alone ? 'service_started' : 'process_started', { settings: redactAll(settings) });
    stopOnSignals(
      async () => {
        readiness.set('shutdown', 'draining');
        // Both doors at once, for Nest would close one after the other, and long after its hooks.
        await Promise.all([app.close(), grpc.close(), http.close()]);
        await app.get(DenialsPublisher).stop();
        await app.get(MessageLog).close();
        await app.get(Tracing).stop();
        log.info(alone ? 'service_stopped' : 'process_stopped');
      },
      log,
      settings.DRAIN_GRACE_MS,
    );
  } catch (error) {
    fallbackLog.error('service_failed_to_start', { error: errorMessage(error), stack: (error as Error).stack });
    process.exit(1);
  }
}

function stopOnSignals(stop: () => Promise<void>, log: Logger, graceMs: number): void {
  let stopping = false;
  const onSignal = (signal: string): void => {
    if (stopping) return;
    stopping = true;
    setTimeout(() => process.exit(1), graceMs + 10_000).unref();
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error('stop_failed', { signal, error: errorMessage(error) });
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', () => onSignal('SIGTERM'));
  process.on('SIGINT', () => onSignal('SIGINT'));
  // Crash-only: an unknown state is left by starting again.
  process.on('unhandledRejection', (reason) => {
    log.error('unhandled_rejection', { error: reason instanceof Error ? reason : errorMessage(reason) });
    process.exit(1);
  });
}
