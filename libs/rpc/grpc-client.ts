import {
  type CallOptions,
  type Client,
  type ClientReadableStream,
  type ClientOptions,
  credentials,
  Metadata,
  type ServiceError,
  type ChannelCredentials,
} from '@grpc/grpc-js';
import { fromServiceError } from './status.js';

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
  ) {
    this.stub = new constructor(address, credentials.createInsecure(), options);
    this.metadata.set('authorization', `Bearer ${token}`);
  }

  /**
   * Rejects with a MillraceError that names the peer.
   * @param metadata who asks, where that is not this process
   */
  call<Q, A>(
    method: (stub: C) => UnaryMethod<Q, A>,
    request: Q,
    deadlineMs: number,
    metadata: Metadata = this.metadata,
  ): Promise<A> {
    return new Promise((resolve, reject) => {
      method(this.stub).call(this.stub, request, metadata, { deadline: Date.now() + deadlineMs }, (error, response) => {
        if (error) reject(fromServiceError(error, this.name));
        else resolve(response);
      });
    });
  }

  /** Yields the messages of a server stream; throws a MillraceError that names the peer. */
  async *stream<Q, A>(
    method: (stub: C) => ServerStreamMethod<Q, A>,
    request: Q,
    deadlineMs: number,
  ): AsyncGenerator<A> {
    const call = method(this.stub).call(this.stub, request, this.metadata, { deadline: Date.now() + deadlineMs });
    try {
      for await (const message of call) yield message as A;
    } catch (error) {
      throw fromServiceError(error, this.name);
    } finally {
      call.cancel();
    }
  }

  close(): void {
    this.stub.close();
  }
}
