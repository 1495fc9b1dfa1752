import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import type { Sampler } from '@opentelemetry/sdk-trace-base';
import type { Logger } from './logger.js';
import type { Metrics } from './metrics.js';
import { CountedSpanExporter, CountedSpanProcessor, SpanCounts } from './counted-spans.js';
import { Tracing, tracingOff } from './tracing.js';
import type { TracingOptions } from './tracing-options.js';

type Sdk = typeof import('@opentelemetry/sdk-trace-base');

/** Finished spans that may wait for the collector; what comes above is dropped and counted. */
export const maxQueuedSpans = 8_192;
const maxBatchSpans = 512;
const batchDelayMs = 1_000;
/** With its retries; a batch that has not been taken by then is dropped. */
const exportTimeoutMs = 10_000;
const stopTimeoutMs = 2_000;

/** Spans go to a collector as OTLP/HTTP in JSON, in batches, behind everybody's back: one that is away fails no call and holds none. */
export function startTracing(options: TracingOptions, metrics: Metrics, logger: Logger): Tracing {
  const { url, headers, serviceName } = options;
  if (url === undefined) return tracingOff;
  // Only now: loaded, they are 12 MB of a process, whether it traces or not.
  const require = createRequire(import.meta.url);
  const { OTLPTraceExporter } =
    require('@opentelemetry/exporter-trace-otlp-http') as typeof import('@opentelemetry/exporter-trace-otlp-http');
  const { resourceFromAttributes } = require('@opentelemetry/resources') as typeof import('@opentelemetry/resources');
  const sdk = require('@opentelemetry/sdk-trace-base') as Sdk;
  const counts = new SpanCounts(metrics, logger, url, maxQueuedSpans);
  const exporter = new CountedSpanExporter(
    new OTLPTraceExporter({ url, headers: { ...headers }, timeoutMillis: exportTimeoutMs }),
    counts,
  );
  const processor = new sdk.BatchSpanProcessor(exporter, {
    maxQueueSize: maxQueuedSpans,
    maxExportBatchSize: maxBatchSpans,
    scheduledDelayMillis: batchDelayMs,
    exportTimeoutMillis: exportTimeoutMs + 1_000,
  });
  const provider = new sdk.BasicTracerProvider({
    sampler: samplerOf(sdk, options),
    resource: resourceFromAttributes({
      'service.name': serviceName,
      'service.namespace': 'millrace',
      'service.instance.id': randomUUID(),
    }),
    spanProcessors: [new CountedSpanProcessor(processor, counts)],
  });
  const stop = async (): Promise<void> => {
    const flushed = provider.shutdown().catch(() => undefined); // counted where the export failed
    await Promise.race([flushed, new Promise((resolve) => setTimeout(resolve, stopTimeoutMs).unref())]);
  };
  return new Tracing(provider.getTracer('millrace'), stop);
}

function samplerOf(sdk: Sdk, { sampler, ratio }: TracingOptions): Sampler {
  const [root, parentBased] = sampler.startsWith('parentbased_') ? [sampler.slice(12), true] : [sampler, false];
  const made =
    root === 'always_on'
      ? new sdk.AlwaysOnSampler()
      : root === 'always_off'
        ? new sdk.AlwaysOffSampler()
        : new sdk.TraceIdRatioBasedSampler(ratio);
  return parentBased ? new sdk.ParentBasedSampler({ root: made }) : made;
}
