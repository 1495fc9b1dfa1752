import {
  type CallOptions,
  type Client,
  type ClientReadableStream,
  type ClientOptions,
  credentials,
  Metadata,
  type MethodDefinition,
  type ServiceError,
  type ChannelCredentials,
} from '@grpc/grpc-js';
import type { TraceContext } from '#libs/telemetry/trace-context.js';
import { type Tracing, tracingOff } from '#libs/telemetry/tracing.js';
import type { GrpcTransportName } from './grpc-transport.js';
import type { MessageStream } from './message-stream.js';
import { type RpcSpan, startClientSpan, withTrace } from './rpc-spans.js';
import { fromServiceError } from './status.js';
import { WireClientStream } from './wire/wire-client-stream.js';

type ClientConstructor<C> = new (
  address: string,
  credentials: ChannelCredentials,
  options?: Partial<ClientOptions>,
) => C;

type UnaryMethod<Q, A> = (
  request: Q,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: A) => void,
) => unknown;
type ServerStreamMethod<Q, A> = (
  request: Q,
  metadata: Metadata,
  options?: Partial<CallOptions>,
) => ClientReadableStream<A>;

const options: Partial<ClientOptions> = {
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  'grpc.enable_channelz': 0,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
};

/** A peer: its stub, the token that we present, a deadline on every call, its errors as MillraceError. */
export class Peer<C extends Client> {
  readonly stub: C;
  readonly metadata = new Metadata();

  constructor(
    constructor: ClientConstructor<C>,
    readonly name: string,
    readonly address: string,
    token: string,
    private readonly tracing: Tracing = tracingOff,
  ) {
    this.stub = new constructor(address, credentials.createInsecure(), options);
    this.metadata.set('authorization', `Bearer ${token}`);
  }

  /**
   * Rejects with a MillraceError that names the peer.
   * @param trace what the call is part of: it gets a span there, and the peer is told
   * @param metadata who asks, where that is not this process
   */
  call<Q, A>(
    method: (stub: C) => UnaryMethod<Q, A>,
    request: Q,
    deadlineMs: number,
    trace?: TraceContext,
    metadata: Metadata = this.metadata,
  ): Promise<A> {
    const bound = method(this.stub);
    const span = this.startSpan(bound, trace);
    return new Promise((resolve, reject) => {
      bound.call(
        this.stub,
        request,
        span === undefined ? metadata : withTrace(metadata, span.trace),
        { deadline: Date.now() + deadlineMs },
        (error, response) => {
          span?.end(error ?? undefined);
          if (error) reject(fromServiceError(error, this.name));
          else resolve(response);
        },
      );
    });
  }

  /** Yields the messages of a server stream; throws a MillraceError that names the peer. Its span ends with the last message, or when the reader stops. */
  async *stream<Q, A>(
    method: (stub: C) => ServerStreamMethod<Q, A>,
    request: Q,
    deadlineMs: number,
    trace?: TraceContext,
  ): AsyncGenerator<A> {
    const bound = method(this.stub);
    const span = this.startSpan(bound, trace);
    const metadata = span === undefined ? this.metadata : withTrace(this.metadata, span.trace);
    const call = bound.call(this.stub, request, metadata, { deadline: Date.now() + deadlineMs });
    try {
      for await (const message of call) yield message as A;
    } catch (error) {
      span?.end(error);
      throw fromServiceError(error, this.name);
    } finally {
      span?.end();
      call.cancel();
    }
  }

  /** Opens a call with messages both ways: over a connection of its own, where the transport is ours. */
  openStream<Q, A>(method: MethodDefinition<Q, A>, transport: GrpcTransportName): MessageStream<Q, A> {
    const { path, requestSerialize, responseDeserialize } = method;
    return transport === 'wire'
      ? new WireClientStream(this.address, method, this.metadata)
      : this.stub.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, this.metadata);
  }

  private startSpan(method: unknown, trace: TraceContext | undefined): RpcSpan | undefined {
    // grpc-js leaves the method's definition on the stub's function.
    const { path } = method as { path?: string };
    return path === undefined ? undefined : startClientSpan(this.tracing, path, this.address, trace);
  }

  close(): void {
    this.stub.close();
  }
}
