import {
  type Attributes,
  type Link,
  ROOT_CONTEXT,
  type Span,
  type SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from '@opentelemetry/api';
import { errorMessage } from '#libs/errors/millrace-error.js';
import { isSampled, type TraceContext } from './trace-context.js';

/** What serves many requests names so many of them; the others keep their own traces, unlinked. */
export const maxLinks = 32;

export interface SpanOptions {
  readonly kind: SpanKind;
  /** Undefined = it begins a trace, if the sampler says so. */
  readonly parent: TraceContext | undefined;
  readonly attributes: Attributes;
  readonly links?: readonly TraceContext[];
}

/**
 * Begins spans. Context is handed on by argument, not by AsyncLocalStorage: what many calls gather into a batch would have the context of the first alone. Where tracing is off no span is ever
 * begun: callers ask `enabled` before they make anything for one.
 */
export class Tracing {
  /** @param tracer undefined = tracing is off @param stopExport sends what is left */
  constructor(
    private readonly tracer: Tracer | undefined,
    private readonly stopExport: () => Promise<void> = async () => undefined,
  ) {}

  get enabled(): boolean {
    return this.tracer !== undefined;
  }

  /** Undefined = tracing is off. A span that is not sampled records nothing, and its context says so to whom it is handed. */
  start(name: string, { kind, parent, attributes, links }: SpanOptions): Span | undefined {
    if (this.tracer === undefined) return undefined;
    const context = parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent);
    const options = { kind, attributes, links: links === undefined ? [] : links.map(toLink) };
    return this.tracer.startSpan(name, options, context);
  }

  /** Sends the spans that wait, for at most two seconds. */
  async stop(): Promise<void> {
    await this.stopExport();
  }
}

export const tracingOff = new Tracing(undefined);

/** The sampled ones, each once, at most 32: the first is the parent of what is done for all, and the others are linked to it. Empty = nobody is traced. */
export function tracedOnes(contexts: Iterable<TraceContext | undefined>): TraceContext[] {
  const found = new Map<string, TraceContext>();
  for (const context of contexts) {
    if (!isSampled(context)) continue;
    found.set(`${context.traceId}${context.spanId}`, context);
    if (found.size === maxLinks) break;
  }
  return [...found.values()];
}

/** Ends a span that failed. @param type for `error.type`: of low cardinality */
export function fail(span: Span, type: string, error: unknown): void {
  span.setAttribute('error.type', type);
  span.setStatus({ code: SpanStatusCode.ERROR, message: errorMessage(error).slice(0, 200) });
}

function toLink(context: TraceContext): Link {
  return { context };
}
