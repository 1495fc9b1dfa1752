import {
  type Server as GrpcCoreServer,
  status,
  type ServiceDefinition,
  type UntypedServiceImplementation,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServerReadableStream,
} from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { type CustomTransportStrategy, Server } from '@nestjs/microservices';
import type { AccessGuard } from '#libs/auth/access-guard.js';
import { type AccessRule, accessRules } from '#libs/auth/access-rules.js';
import type { Caller } from '#libs/auth/caller.js';
import { assertLoopback } from '#libs/auth/token-authenticator.js';
import { HealthCheckResponse_ServingStatus, HealthService } from '#libs/contracts/generated/grpc/health/v1/health.js';
import type { Logger } from '#libs/telemetry/logger.js';
import type { Readiness } from '#libs/telemetry/readiness.js';
import { type Tracing, tracingOff } from '#libs/telemetry/tracing.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { GrpcJsTransport } from './grpc-js-transport.js';
import type { Gate, GrpcTransport, GrpcTransportName, GrpcTransportOptions } from './grpc-transport.js';
import { readTraceparents, type RpcSpan, startServerSpan, traceOfMetadata } from './rpc-spans.js';
import { reflectedFiles } from './reflected-files.js';
import { type AnyCall, type CallContext, ServedContext, type Traced, untraced } from './served-context.js';
import { endAtExpiry, pump } from './served-streams.js';
import { toServiceError } from './status.js';
import { WireTransport } from './wire/wire-transport.js';

export interface GrpcServerOptions extends GrpcTransportOptions {
  readonly transport: GrpcTransportName;
}

const defaults: GrpcServerOptions = { maxMessageBytes: 8 * 1024 * 1024, maxConnectionAgeMs: 0, transport: 'grpc-js' };
const transports = { 'grpc-js': GrpcJsTransport, wire: WireTransport };

export interface DuplexContext extends CallContext {
  /** Where the rule is for each message: whether the caller may what this one asks for. @throws MillraceError permission-denied */
  authorize(message: unknown): void;
  /** What may be said of an error in a message of the stream; a bug is logged, and its text stays there. */
  wordsOf(error: unknown): string;
}

/** Of a stream that answers what it has taken before it ends: takes no more; resolves when all is answered. */
export type Drain = () => Promise<void>;

type Handler =
  | { kind: 'unary'; run: (request: never, context: CallContext) => Promise<unknown> }
  | { kind: 'serverStream'; run: (request: never, context: CallContext) => AsyncIterable<unknown> }
  | { kind: 'clientStream'; run: (requests: AsyncIterable<never>, context: CallContext) => Promise<unknown> }
  | { kind: 'duplex'; run: (stream: ServerDuplexStream<never, never>, context: DuplexContext) => Drain | void };

export const handle = {
  unary: <Q, A>(run: (request: Q, context: CallContext) => Promise<A>) =>
    ({ kind: 'unary', run }) as unknown as Handler,
  serverStream: <Q, A>(run: (request: Q, context: CallContext) => AsyncIterable<A>) =>
    ({ kind: 'serverStream', run }) as unknown as Handler,
  clientStream: <Q, A>(run: (requests: AsyncIterable<Q>, context: CallContext) => Promise<A>) =>
    ({ kind: 'clientStream', run }) as unknown as Handler,
  duplex: <Q, A>(run: (stream: ServerDuplexStream<Q, A>, context: DuplexContext) => Drain | void) =>
    ({ kind: 'duplex', run }) as unknown as Handler,
  /** Of a call that is in the contract and not built. */
  notBuilt: {
    kind: 'unary',
    run: async () => {
      throw new MillraceError('unimplemented', 'this call is not built in this version');
    },
  } as Handler,
};

/**
 * The gRPC side of a service, started and stopped by Nest as a custom transport over one of two transports. Every call is authenticated and held against its access rule, every thrown
 * MillraceError becomes its status, health and reflection are served. Every method of a definition must have a handler.
 */
export class GrpcServer extends Server implements CustomTransportStrategy {
  private readonly carrier: GrpcTransport;
  private readonly gates = new Map<string, Gate>();
  private closed: Promise<void> | undefined;
  private readonly duplexes = new Map<ServerDuplexStream<never, never>, Drain | undefined>();

  constructor(
    private readonly address: string,
    private readonly guard: AccessGuard,
    private readonly readiness: Readiness,
    private readonly log: Logger,
    private readonly drainGraceMs: number,
    private readonly tracing: Tracing = tracingOff,
    options: Partial<GrpcServerOptions> = {},
  ) {
    super();
    assertLoopback(address);
    const all = { ...defaults, ...options };
    this.carrier = new transports[all.transport](this.gates, all);
    this.addHealth();
  }

  /** @param open methods that answer without a token: health questions only */
  addService(definition: ServiceDefinition, handlers: Record<string, Handler>, open: readonly string[] = []): void {
    const names = Object.keys(definition);
    const missing = names.filter((name) => handlers[name] === undefined);
    if (missing.length > 0) throw new Error(`no handler for rpc ${missing.join(', ')}`);
    const wrapped = names.map((name) => {
      const rule = open.includes(name) ? undefined : ruleOf(definition[name]!.path);
      return [name, this.wrap(handlers[name]!, rule)];
    });
    this.carrier.addService(definition, Object.fromEntries(wrapped) as UntypedServiceImplementation);
  }

  /** Before a call of this method is read, let alone decoded, the gate is asked whether it may come in: a refusal costs little more than the stream it comes by. @param path e.g. /inference.GRPCInferenceService/ModelInfer */
  addGate(path: string, gate: Gate): void {
    this.gates.set(path, gate);
  }

  /** Serves grpc.reflection.v1 and v1alpha for files of proto/, e.g. `millrace/ingest/v1/ingest.proto`; once a server. */
  addReflection(protoFile: string | string[], protoFolder: string): void {
    new ReflectionService(reflectedFiles(protoFile, protoFolder)).addToServer(
      this.carrier as unknown as GrpcCoreServer,
    );
  }

  listen(callback: (error?: unknown) => void): void {
    this.carrier.listen(this.address).then(
      () => callback(),
      (error: Error) => callback(new Error(`cannot listen on ${this.address} (GRPC_LISTEN): ${error.message}`)),
    );
  }

  /** Lets calls in flight finish within the grace; streams are ended with UNAVAILABLE, for an open one would hold the server for ever: those that can drain when they have. */
  close(): Promise<void> {
    this.closed ??= this.drain();
    return this.closed;
  }

  private drain(): Promise<void> {
    const end = (stream: ServerDuplexStream<never, never>): void => {
      if (this.duplexes.has(stream)) stream.emit('error', { code: 14, details: 'shutting down' });
    };
    for (const [stream, drain] of this.duplexes) {
      if (drain === undefined) end(stream);
      else void drain().then(() => end(stream));
    }
    return new Promise((resolve) => {
      const force = setTimeout(() => {
        this.carrier.stop();
        resolve();
      }, this.drainGraceMs);
      void this.carrier.drain().then(() => {
        clearTimeout(force);
        resolve();
      });
    });
  }

  override on(): never {
    throw new Error('not an event emitter');
  }

  override unwrap<T>(): T {
    return this.carrier as T;
  }

  /** @param rule undefined = open to everybody */
  private wrap(handler: Handler, rule: AccessRule | undefined): unknown {
    if (handler.kind === 'unary') {
      return (call: ServerUnaryCall<never, unknown>, answer: sendUnaryData<unknown>) => {
        const run = (context: ServedContext): void => {
          handler.run(call.request, context).then(
            (response) => {
              context.span?.end();
              answer(null, response);
            },
            (error: unknown) => answer(this.failed(call, error, context.span)),
          );
        };
        this.admit(call, call.request, rule, run, (error) => answer(this.failed(call, error)));
      };
    }
    if (handler.kind === 'clientStream') {
      return (call: ServerReadableStream<never, unknown>, answer: sendUnaryData<unknown>) => {
        const run = (context: ServedContext): void => {
          endAtExpiry(call, context.caller, (error) => call.destroy(error));
          handler.run(call as AsyncIterable<never>, context).then(
            (response) => {
              context.span?.end();
              answer(null, response);
            },
            (error: unknown) => answer(this.failed(call, error, context.span)),
          );
        };
        this.admit(call, undefined, rule, run, (error) => answer(this.failed(call, error)));
      };
    }
    if (handler.kind === 'serverStream') {
      return (call: ServerWritableStream<never, unknown>) => {
        const refuse = (error: unknown, span?: RpcSpan): void => {
          const mapped = this.failed(call, error, span);
          if (!call.writableEnded) call.emit('error', mapped);
        };
        const run = (context: ServedContext): void => {
          const { caller, span } = context;
          endAtExpiry(call, caller, (error) => refuse(error, span));
          pump(handler.run(call.request, context), call).then(
            () => span?.end(call.cancelled ? { code: status.CANCELLED } : undefined),
            (error: unknown) => refuse(error, span),
          );
        };
        this.admit(call, call.request, rule, run, (error) => refuse(error));
      };
    }
    return (call: ServerDuplexStream<never, never>) => {
      const refuse = (error: unknown): void => void call.emit('error', this.failed(call, error));
      const run = (context: ServedContext): void => {
        endAtExpiry(call, context.caller, refuse);
        const drain = handler.run(
          call,
          Object.assign(context, {
            wordsOf: (error: unknown) => this.failed(call, error).details,
            authorize: (message: unknown) => {
              if (rule !== undefined) this.authorize(call, context.caller, rule, message);
            },
          }),
        );
        this.duplexes.set(call, drain ?? undefined);
        // A stream that can drain may still owe answers when its caller has asked for the last.
        const over =
          drain === undefined ? ['end', 'close', 'cancelled', 'error'] : ['finish', 'close', 'cancelled', 'error'];
        for (const event of over) call.once(event, () => this.duplexes.delete(call));
      };
      this.admit(call, undefined, rule, run, refuse, true);
    };
  }

  /** Runs at once for a caller who is known at once: a promise a call is a measurable cost on the hot path. */
  private admit(
    call: AnyCall,
    request: unknown,
    rule: AccessRule | undefined,
    run: (context: ServedContext) => void,
    refuse: (error: unknown) => void,
    isDuplex = false,
  ): void {
    try {
      const caller =
        rule === undefined ? anonymous : this.guard.authenticate(this.carrier.headerOf(call, 'authorization'));
      if (caller instanceof Promise)
        return void caller.then((one) => run(this.checked(call, request, rule, one, isDuplex))).catch(refuse);
      // A handler that throws at once is answered as one whose promise fails.
      run(this.checked(call, request, rule, caller, isDuplex));
    } catch (error) {
      refuse(error);
    }
  }

  private checked(
    call: AnyCall,
    request: unknown,
    rule: AccessRule | undefined,
    caller: Caller,
    isDuplex: boolean,
  ): ServedContext {
    if (rule === undefined) return new ServedContext(call, caller, untraced);
    if (rule.eachMessage !== true) this.authorize(call, caller, rule, request);
    // Health questions are not traced, and nobody who may not call makes a span.
    return new ServedContext(call, caller, this.tracing.enabled ? this.traced(call, isDuplex) : untraced);
  }

  private authorize(call: AnyCall, caller: Caller, rule: AccessRule, request: unknown): void {
    this.guard.check(caller, call.getPath(), rule.action, rule.resource(request as never));
  }

  private traced(call: AnyCall, isDuplex: boolean): Traced {
    const path = call.getPath();
    const caller = traceOfMetadata(call.metadata);
    if (isDuplex)
      return {
        trace: caller,
        messageSpan: (traceparents) => {
          if (traceparents === undefined) return startServerSpan(this.tracing, path, caller);
          const [parent, ...links] = readTraceparents(traceparents);
          return parent === undefined ? undefined : startServerSpan(this.tracing, path, parent, links);
        },
      };
    const span = startServerSpan(this.tracing, path, caller);
    return { trace: span?.trace, span };
  }

  private failed(call: AnyCall, error: unknown, span?: RpcSpan): ReturnType<typeof toServiceError> {
    const mapped = toServiceError(error);
    if (mapped.code === 13)
      this.log.within(span?.trace).error('rpc_failed', { path: call.getPath(), error: error as Error });
    span?.end(error);
    return mapped;
  }

  private addHealth(): void {
    const status = () => ({
      status: this.readiness.ready
        ? HealthCheckResponse_ServingStatus.SERVING
        : HealthCheckResponse_ServingStatus.NOT_SERVING,
    });
    const watch = async function* (_request: unknown, context: CallContext) {
      let last: number | undefined;
      while (!context.signal.aborted) {
        const now = status();
        if (now.status !== last) yield now;
        last = now.status;
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    };
    this.addService(HealthService, { check: handle.unary(async () => status()), watch: handle.serverStream(watch) }, [
      'check',
      'watch',
    ]);
  }
}

const anonymous: Caller = { name: 'anonymous', roles: [] };

function ruleOf(path: string): AccessRule {
  const rule = accessRules.get(path);
  if (rule === undefined) throw new Error(`no access rule for rpc ${path}`);
  return rule;
}
