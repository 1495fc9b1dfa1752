import type { EventEmitter } from 'node:events';
import type {
  Metadata,
  ServerDuplexStream,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
} from '@grpc/grpc-js';
import type { Caller } from '#libs/auth/caller.js';
import type { TraceContext } from '#libs/telemetry/trace-context.js';
import type { RpcSpan } from './rpc-spans.js';

/** What a handler is told of the call beside its request. */
export interface CallContext {
  readonly caller: Caller;
  readonly signal: AbortSignal;
  /** Epoch ms; Infinity = the caller set none. */
  readonly deadlineMs: number;
  readonly metadata: Metadata;
  /** Where the call stands in its trace: its span, or, of a duplex stream, its caller's. Undefined = tracing is off, or nobody traces it. */
  readonly trace?: TraceContext | undefined;
  /**
   * A duplex stream may live as long as the process and has no span of its own: what does something for one of its messages begins one here.
   * @param traceparents that the message carries: the first is the parent, the others are linked, of none there is no span. Left out = the message is a call of its own: it is part of what the
   * stream's caller traces, else it begins a trace if the sampler says so
   * @returns undefined where there is no span, or tracing is off
   */
  readonly messageSpan?: ((traceparents?: readonly string[]) => RpcSpan | undefined) | undefined;
}

/** The span of the call is for the server to end; handlers get its context. */
export type Traced = Pick<CallContext, 'trace' | 'messageSpan'> & { readonly span?: RpcSpan | undefined };

export const untraced: Traced = {};

export type AnyCall =
  | ServerUnaryCall<never, unknown>
  | ServerWritableStream<never, unknown>
  | ServerReadableStream<never, unknown>
  | ServerDuplexStream<never, never>;

/**
 * What costs something is made on first use. A class, for its getters stand once on its prototype: an object literal with getters gets a hidden class of its own, which is born old and holds the
 * getters, and by them the call with its request, until the whole heap is collected.
 */
export class ServedContext implements CallContext {
  readonly deadlineMs: number;
  readonly trace: TraceContext | undefined;
  readonly span: RpcSpan | undefined;
  readonly messageSpan: CallContext['messageSpan'];
  private controller: AbortController | undefined;

  constructor(
    private readonly call: AnyCall,
    readonly caller: Caller,
    { trace, span, messageSpan }: Traced,
  ) {
    const deadline = call.getDeadline();
    this.deadlineMs = deadline instanceof Date ? deadline.getTime() : deadline;
    this.trace = trace;
    this.span = span;
    this.messageSpan = messageSpan;
  }

  get metadata(): Metadata {
    return this.call.metadata;
  }

  get signal(): AbortSignal {
    this.controller ??= this.abortedWithCall();
    return this.controller.signal;
  }

  private abortedWithCall(): AbortController {
    const controller = new AbortController();
    for (const event of ['cancelled', 'error']) (this.call as EventEmitter).once(event, () => controller.abort());
    if (this.call.cancelled) controller.abort();
    return controller;
  }
}
