import type { ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import type { MillraceError } from '#libs/errors/millrace-error.js';

/** Undefined = come in. Asked for each call as it arrives: must be quick, and not throw. */
export type Gate = () => MillraceError | undefined;

export interface GrpcTransportOptions {
  /** Of one message, as it comes and unpacked. */
  readonly maxMessageBytes: number;
  /** 0 = a connection is kept for as long as its caller likes. */
  readonly maxConnectionAgeMs: number;
}

/** The stock server of Node, and the one over sockets of our own. */
export const grpcTransports = ['grpc-js', 'wire'] as const;
export type GrpcTransportName = (typeof grpcTransports)[number];

/**
 * What carries the calls of a gRPC server. Handlers get the calls of grpc-js, or what has as much of their surface as handlers use: request, metadata, path, deadline, `cancelled`, and of streams the
 * events and methods of grpc-js' streams. One that cannot be read is answered before a handler hears of it.
 */
export interface GrpcTransport {
  addService(definition: ServiceDefinition, implementation: UntypedServiceImplementation): void;
  /** The first value of a header of the call. */
  headerOf(call: unknown, name: string): string | undefined;
  /** @param address host:port @throws Error where it cannot be had */
  listen(address: string): Promise<void>;
  /** Takes no new calls; resolves when those that are open are over. */
  drain(): Promise<void>;
  /** Ends what is left. */
  stop(): void;
}
