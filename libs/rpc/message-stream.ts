/** A call with messages both ways, as its caller has it: what grpc-js' ClientDuplexStream and the stream over sockets of our own have in common, and is needed. */
export interface MessageStream<Q, A> {
  /** The peer has taken the call: its headers have come. */
  on(event: 'metadata', listener: () => void): unknown;
  on(event: 'data', listener: (answer: A) => void): unknown;
  /** It ended with OK. */
  on(event: 'end', listener: () => void): unknown;
  /** It ended otherwise: a ServiceError. */
  on(event: 'error', listener: (error: unknown) => void): unknown;
  write(message: Q): unknown;
  /** Nothing more will be written. */
  end(): unknown;
  cancel(): void;
}
