import { createServer, type Server, type Socket } from 'node:net';
import { status, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js';
import type { HeaderList } from '#libs/http2/hpack-decoder.js';
import { Http2Connection } from '#libs/http2/http2-connection.js';
import type { Http2Stream } from '#libs/http2/http2-stream.js';
import type { Gate, GrpcTransport, GrpcTransportOptions } from '../grpc-transport.js';
import { unreadable } from '../unreadable-requests.js';
import { splitAddress } from '../split-address.js';
import { headersTooLarge, notGrpc, refusalBlock, statusBlock } from './answer-blocks.js';
import { HeldBytes } from './message-reader.js';
import { ServerStreamCall, type ServerStreamHandler, UnaryCall, type UnaryHandler } from './one-request-call.js';
import { readHead, type RequestHead } from './request-head.js';
import { StreamCall, type StreamHandler } from './stream-call.js';
import { UnpackingRoom } from './unpacking-room.js';
import type { CallLimits, Method } from './wire-call.js';

type Begin = (stream: Http2Stream, headers: HeaderList, head: RequestHead, limits: CallLimits) => void;

/** At a time; whoever comes then is closed at once. Each may hold what the next line says, and callers need few: a call needs none of its own. */
export const maxConnections = 4_096;
/** What the messages of one connection may hold before they are handled, bytes; more where messages are large. */
const leastHeldBytes = 64 * 1_048_576;
const nothing = Buffer.alloc(0);

/** gRPC served over sockets of our own: some 4 us a call, where the stock server of Node takes 40. */
export class WireTransport implements GrpcTransport {
  private readonly server: Server;
  private readonly connections = new Set<Http2Connection>();
  private readonly methods = new Map<string, Begin>();
  private onEmpty: (() => void) | undefined;

  constructor(
    private readonly gates: ReadonlyMap<string, Gate>,
    private readonly options: GrpcTransportOptions,
  ) {
    this.server = createServer({ noDelay: true }, (socket) => this.accept(socket));
    this.server.maxConnections = maxConnections;
  }

  addService(definition: ServiceDefinition, implementation: UntypedServiceImplementation): void {
    for (const [name, method] of Object.entries(definition)) {
      const handler = implementation[name] ?? implementation[method.originalName ?? name];
      if (handler === undefined) throw new Error(`no handler for rpc ${name}`);
      this.methods.set(method.path, beginnerOf(method, handler));
    }
  }

  headerOf(call: unknown, name: string): string | undefined {
    return (call as { header(name: string): string | undefined }).header(name);
  }

  listen(address: string): Promise<void> {
    const { host, port } = splitAddress(address);
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(port, host, () => {
        this.server.off('error', reject);
        resolve();
      });
    });
  }

  drain(): Promise<void> {
    this.server.close();
    if (this.connections.size === 0) return Promise.resolve();
    for (const connection of this.connections) connection.leave();
    return new Promise((resolve) => (this.onEmpty = resolve));
  }

  stop(): void {
    this.server.close();
    for (const connection of this.connections) connection.destroy();
  }

  private accept(socket: Socket): void {
    const { maxMessageBytes } = this.options;
    const maxHeld = Math.max(leastHeldBytes, 2 * maxMessageBytes);
    const limits = { maxMessageBytes, held: new HeldBytes(maxHeld), unpacking: new UnpackingRoom() };
    const connection: Http2Connection = new Http2Connection(socket, true, {
      opened: (stream, headers, end) => this.opened(stream, headers, end, limits),
      closed: () => {
        clearTimeout(age);
        this.connections.delete(connection);
        if (this.connections.size === 0) this.onEmpty?.();
      },
    });
    const age = this.ageing(connection);
    this.connections.add(connection);
  }

  /** Give or take a tenth, so that what connected at once does not come back at once. */
  private ageing(connection: Http2Connection): NodeJS.Timeout | undefined {
    const { maxConnectionAgeMs } = this.options;
    if (maxConnectionAgeMs === 0) return undefined;
    return setTimeout(() => connection.leave(), maxConnectionAgeMs * (0.9 + Math.random() * 0.2)).unref();
  }

  private opened(stream: Http2Stream, headers: HeaderList | undefined, end: boolean, limits: CallLimits): void {
    if (headers === undefined) return stream.sendHeaders(headersTooLarge, true);
    const head = readHead(headers, Date.now);
    if (!head.isGrpc) return stream.sendHeaders(notGrpc, true);
    const refusal = this.gates.get(head.path)?.();
    if (refusal !== undefined) return stream.sendHeaders(refusalBlock(refusal), true);
    const begin = this.methods.get(head.path);
    if (begin === undefined)
      return refuse(stream, status.UNIMPLEMENTED, `there is no method ${head.path.slice(0, 256)}`);
    if (Number.isNaN(head.deadlineMs)) return refuse(stream, status.INVALID_ARGUMENT, unreadable.timeout);
    begin(stream, headers, head, limits);
    if (end) stream.owner.data(nothing, true);
  }
}

function refuse(stream: Http2Stream, code: status, details: string): void {
  stream.sendHeaders(statusBlock(code, details, undefined, true), true);
}

function beginnerOf(method: Method, handler: unknown): Begin {
  if (method.requestStream)
    return (stream, headers, head, limits) =>
      new StreamCall(stream, headers, head, method, limits).begin(handler as StreamHandler);
  if (method.responseStream)
    return (stream, headers, head, limits) => {
      new ServerStreamCall(stream, headers, head, method, limits).handler = handler as ServerStreamHandler;
    };
  return (stream, headers, head, limits) => {
    new UnaryCall(stream, headers, head, method, limits).handler = handler as UnaryHandler;
  };
}
