import {
  type Metadata,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Gate, GrpcTransport, GrpcTransportOptions } from './grpc-transport.js';
import { shedAtTheDoor } from './shed-at-the-door.js';
import { blameUnreadableRequests } from './unreadable-requests.js';

/** The stock server of Node. */
export class GrpcJsTransport implements GrpcTransport {
  private readonly server: Server;

  constructor(gates: ReadonlyMap<string, Gate>, { maxMessageBytes, maxConnectionAgeMs }: GrpcTransportOptions) {
    this.server = new Server({
      'grpc.max_receive_message_length': maxMessageBytes,
      'grpc.max_send_message_length': -1,
      'grpc.max_concurrent_streams': 1_000,
      'grpc.enable_channelz': 0,
      'grpc-node.max_session_memory': 64,
      // Give or take a tenth, which grpc-js draws, so that what connected at once does not come back at once. Calls and streams on it are answered to their end.
      ...(maxConnectionAgeMs > 0 && { 'grpc.max_connection_age_ms': maxConnectionAgeMs }),
      interceptors: [blameUnreadableRequests],
    });
    shedAtTheDoor(this.server, gates);
  }

  addService(definition: ServiceDefinition, implementation: UntypedServiceImplementation): void {
    this.server.addService(definition, implementation);
  }

  headerOf(call: unknown, name: string): string | undefined {
    return (call as { metadata: Metadata }).metadata.get(name)[0]?.toString();
  }

  listen(address: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.server.bindAsync(address, ServerCredentials.createInsecure(), (error) =>
        error ? reject(error) : resolve(),
      );
    });
  }

  drain(): Promise<void> {
    return new Promise((resolve) => this.server.tryShutdown(() => resolve()));
  }

  stop(): void {
    this.server.forceShutdown();
  }
}
