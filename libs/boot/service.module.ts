import { Controller, type DynamicModule, Get, Module, Res } from '@nestjs/common';
import type { Response } from 'express';
import { AccessGuard } from '#libs/auth/access-guard.js';
import { Authorizer } from '#libs/auth/authorizer.js';
import { readJwtOptions } from '#libs/auth/jwt-settings.js';
import { JwtVerifier } from '#libs/auth/jwt-verifier.js';
import { TokenAuthenticator } from '#libs/auth/token-authenticator.js';
import type { ServiceSettings } from '#libs/config/settings.js';
import { tracingOptions } from '#libs/config/tracing-settings.js';
import type { ServiceName } from '#libs/contracts/services.js';
import { KafkaMessageLog } from '#libs/messaging/kafka-message-log.js';
import { MessageLog } from '#libs/messaging/message-log.js';
import { Wiring } from '#libs/messaging/wiring.js';
import { GrpcServer } from '#libs/rpc/grpc-server.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Metrics } from '#libs/telemetry/metrics.js';
import { Readiness } from '#libs/telemetry/readiness.js';
import { startTracing } from '#libs/telemetry/start-tracing.js';
import { Tracing } from '#libs/telemetry/tracing.js';
import { DenialsPublisher } from './denials.publisher.js';
import { OwnProcess } from './own-process.js';

/** GET /livez, /readyz (open) and /metrics (with a token). */
@Controller()
export class OperationsController {
  constructor(
    private readonly readiness: Readiness,
    private readonly metrics: Metrics,
    private readonly own: OwnProcess,
  ) {}

  @Get('livez')
  livez(@Res() response: Response): void {
    response
      .status(this.readiness.live ? 200 : 503)
      .json({ live: this.readiness.live, reasons: this.readiness.report() });
  }

  @Get('readyz')
  readyz(@Res() response: Response): void {
    response
      .status(this.readiness.ready ? 200 : 503)
      .json({ ready: this.readiness.ready, reasons: this.readiness.report() });
  }

  @Get('metrics')
  async scrape(@Res() response: Response): Promise<void> {
    response.type(this.metrics.registry.contentType).send(await this.own.allMetrics(this.metrics));
  }
}

/** What every service has, global to it: who it is, its log, its metrics, Kafka, the gRPC server. */
@Module({})
export class ServiceModule {
  /** @param own which of the processes that share the service's addresses it is for */
  static register(name: ServiceName, settings: ServiceSettings, own = OwnProcess.alone()): DynamicModule {
    const readiness = new Readiness();
    readiness.set('startup', 'starting');
    const logger = new Logger(name, settings.LOG_LEVEL, undefined, undefined, own.label);
    const wiring = new Wiring();
    const metrics = new Metrics(name, own.label?.toString());
    own.join(readiness, metrics);
    const jwt = readJwtOptions(settings);
    const jwts = jwt === undefined ? undefined : new JwtVerifier(jwt);
    const authenticator = new TokenAuthenticator(settings.MILLRACE_TOKENS, settings.MILLRACE_ROLES, jwts);
    const authorizer = new Authorizer();
    const tracing = startTracing(tracingOptions(name, settings), metrics, logger);
    const messages = new KafkaMessageLog(name, settings.KAFKA_BROKERS, wiring, logger, tracing);
    const denials = new DenialsPublisher(name, messages.publisher('auditRecorded'), metrics, logger);
    const guard = new AccessGuard(authenticator, authorizer, (denial) => denials.add(denial));
    const providers = [
      { provide: OwnProcess, useValue: own },
      { provide: Readiness, useValue: readiness },
      { provide: Logger, useValue: logger },
      { provide: Wiring, useValue: wiring },
      { provide: Metrics, useValue: metrics },
      { provide: Tracing, useValue: tracing },
      { provide: Authorizer, useValue: authorizer },
      { provide: AccessGuard, useValue: guard },
      { provide: DenialsPublisher, useValue: denials },
      { provide: MessageLog, useValue: messages },
      {
        provide: GrpcServer,
        useFactory: () =>
          new GrpcServer(settings.GRPC_LISTEN, guard, readiness, logger, settings.DRAIN_GRACE_MS, tracing, {
            maxMessageBytes: settings.GRPC_MAX_MESSAGE_BYTES,
            maxConnectionAgeMs: settings.GRPC_MAX_CONNECTION_AGE_MS,
            transport: settings.GRPC_TRANSPORT,
          }),
      },
    ];
    return { module: ServiceModule, global: true, controllers: [OperationsController], providers, exports: providers };
  }
}
