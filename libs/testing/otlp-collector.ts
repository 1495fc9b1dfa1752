import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A span as OTLP/JSON has it (opentelemetry-proto, trace.proto), its attributes as an object. */
export interface CollectedSpan {
  readonly service: string;
  readonly name: string;
  /** 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  /** '' = it began the trace. */
  readonly parentSpanId: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  /** 0 unset, 1 ok, 2 error. */
  readonly statusCode: number;
}

interface Keyed {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

interface SentSpan extends Omit<CollectedSpan, 'service' | 'attributes' | 'statusCode'> {
  readonly attributes?: readonly Keyed[];
  readonly status?: { readonly code?: number };
}

interface Sent {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Keyed[] };
    readonly scopeSpans: readonly { readonly spans: readonly SentSpan[] }[];
  }[];
}

/** A collector of OTLP/HTTP in JSON, as a test needs one: it keeps what it gets. */
export class OtlpCollector {
  readonly spans: CollectedSpan[] = [];
  readonly requests: { path: string; authorization: string | undefined }[] = [];
  /** What it answers; 'never' = nothing. */
  answer: number | 'never' = 200;
  private readonly server: Server = createServer((request, response) => {
    this.requests.push({ path: request.url ?? '', authorization: request.headers.authorization });
    void bodyOf(request).then((body) => {
      if (this.answer === 'never') return;
      if (this.answer === 200) this.spans.push(...read(JSON.parse(body) as Sent));
      response.writeHead(this.answer, { 'content-type': 'application/json' }).end('{}');
    });
  });

  async start(): Promise<string> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Whoever waits for an answer gets none. */
  hangUp(): void {
    this.server.closeAllConnections();
  }

  async stop(): Promise<void> {
    this.hangUp();
    this.server.close();
    await once(this.server, 'close');
  }

  of(traceId: string): CollectedSpan[] {
    return this.spans.filter((span) => span.traceId === traceId);
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

function read({ resourceSpans }: Sent): CollectedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = String(valuesOf(resource.attributes)['service.name']);
    return scopeSpans.flatMap(({ spans }) =>
      spans.map(({ attributes, status, ...span }) => ({
        ...span,
        service,
        parentSpanId: span.parentSpanId ?? '',
        links: span.links ?? [],
        attributes: valuesOf(attributes ?? []),
        statusCode: status?.code ?? 0,
      })),
    );
  });
}

/** Of {stringValue}, {intValue}, ... the one value that is there. */
function valuesOf(attributes: readonly Keyed[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
