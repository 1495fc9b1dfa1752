import { type Metadata, status } from '@grpc/grpc-js';
import { type Span, SpanKind } from '@opentelemetry/api';
import { MillraceError } from '#libs/errors/millrace-error.js';
import {
  formatTraceparent,
  parseTraceContext,
  type TraceContext,
  traceHeaders,
  traceparentName,
  tracestateName,
} from '#libs/telemetry/trace-context.js';
import { fail, maxLinks, type Tracing } from '#libs/telemetry/tracing.js';
import { splitAddress } from './split-address.js';

/** What a server answers for a fault of its own; the others are the caller's (OpenTelemetry semantic conventions for gRPC). */
const serverFaults: ReadonlySet<number> = new Set([
  status.UNKNOWN,
  status.DEADLINE_EXCEEDED,
  status.UNIMPLEMENTED,
  status.INTERNAL,
  status.UNAVAILABLE,
  status.DATA_LOSS,
]);

/** The span of a call, or of one message of a long-lived stream. */
export class RpcSpan {
  constructor(
    private readonly span: Span,
    private readonly kind: SpanKind.SERVER | SpanKind.CLIENT,
  ) {}

  /** What is handed on; also of a span that is not sampled. */
  get trace(): TraceContext {
    return this.span.spanContext();
  }

  set(attribute: string, value: string | number): void {
    this.span.setAttribute(attribute, value);
  }

  /** @param error what the call failed with; undefined = it did not */
  end(error?: unknown): void {
    if (!this.span.isRecording()) return;
    const code = error === undefined ? status.OK : codeOf(error);
    const name = status[code] ?? String(code);
    this.span.setAttribute('rpc.status_code', name);
    if (code !== status.OK && (this.kind === SpanKind.CLIENT || serverFaults.has(code))) fail(this.span, name, error);
    this.span.end();
  }
}

/** @param path `/package.Service/Method` @param links those beside the parent, e.g. of the other requests of a batch */
export function startServerSpan(
  tracing: Tracing,
  path: string,
  parent: TraceContext | undefined,
  links?: readonly TraceContext[],
): RpcSpan | undefined {
  return start(tracing, SpanKind.SERVER, path, {}, parent, links);
}

/** Undefined outside of a trace: an outgoing call begins none. @param address host:port, undefined = not known before the answer */
export function startClientSpan(
  tracing: Tracing,
  path: string,
  address: string | undefined,
  parent: TraceContext | undefined,
  links?: readonly TraceContext[],
): RpcSpan | undefined {
  if (parent === undefined) return undefined;
  return start(tracing, SpanKind.CLIENT, path, address === undefined ? {} : serverOf(address), parent, links);
}

export function traceOfMetadata(metadata: Metadata): TraceContext | undefined {
  const [traceparent] = metadata.get(traceparentName);
  return traceparent === undefined ? undefined : parseTraceContext(traceparent, metadata.get(tracestateName)[0]);
}

/** A copy that carries the context on. */
export function withTrace(metadata: Metadata, context: TraceContext): Metadata {
  const copy = metadata.clone();
  for (const [name, value] of Object.entries(traceHeaders(context))) copy.set(name, value);
  return copy;
}

/** Of a message on a stream: the first is the parent; what is malformed, or beyond 32, is ignored. */
export function readTraceparents(traceparents: readonly string[]): TraceContext[] {
  return traceparents.slice(0, maxLinks).flatMap((one) => parseTraceContext(one) ?? []);
}

export function writeTraceparents(contexts: readonly TraceContext[]): string[] {
  return contexts.map(formatTraceparent);
}

function serverOf(address: string): Record<string, string | number> {
  const { host, port } = splitAddress(address);
  return { 'server.address': host, 'server.port': port };
}

function start(
  tracing: Tracing,
  kind: SpanKind.SERVER | SpanKind.CLIENT,
  path: string,
  more: Record<string, string | number>,
  parent: TraceContext | undefined,
  links: readonly TraceContext[] | undefined,
): RpcSpan | undefined {
  const name = path.slice(1);
  const attributes = { 'rpc.system.name': 'grpc', 'rpc.method': name, ...more };
  const span = tracing.start(name, { kind, parent, attributes, ...(links === undefined ? {} : { links }) });
  return span === undefined ? undefined : new RpcSpan(span, kind);
}

function codeOf(error: unknown): status {
  if (error instanceof MillraceError) return error.grpcStatus;
  const { code } = error as { code?: unknown };
  return typeof code === 'number' ? code : status.INTERNAL;
}
