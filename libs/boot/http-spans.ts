import { type Span, SpanKind, SpanStatusCode } from '@opentelemetry/api';
import type { NextFunction, Response } from 'express';
import { traceOf } from '#libs/telemetry/trace-context.js';
import type { Tracing } from '#libs/telemetry/tracing.js';
import type { AuthenticatedRequest } from './http-edge.js';

/** Operators' questions, which come every few seconds. */
const untraced = new Set(['/livez', '/readyz', '/metrics']);

/** A SERVER span a request that may be answered, from its `traceparent` on; its context is `request.trace`. */
export function traceRequests(tracing: Tracing) {
  return (request: AuthenticatedRequest, response: Response, next: NextFunction): void => {
    if (!tracing.enabled || untraced.has(request.path)) return next();
    const span = tracing.start(request.method, {
      kind: SpanKind.SERVER,
      parent: traceOf(request.headers),
      attributes: { 'http.request.method': request.method, 'url.path': request.path.slice(0, 200) },
    });
    if (span === undefined) return next();
    request.trace = span.spanContext();
    if (span.isRecording()) response.once('close', () => end(span, request, response));
    next();
  };
}

function end(span: Span, request: AuthenticatedRequest, response: Response): void {
  const route = (request as { route?: { path?: unknown } }).route?.path;
  if (typeof route === 'string') {
    span.updateName(`${request.method} ${route}`);
    span.setAttribute('http.route', route);
  }
  span.setAttribute('http.response.status_code', response.statusCode);
  if (response.statusCode >= 500) {
    span.setAttribute('error.type', String(response.statusCode));
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
}
