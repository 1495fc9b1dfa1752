import { SpanKind } from '@opentelemetry/api';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { loadSettings } from '#libs/config/settings.js';
import { tracingOptions, tracingSettings } from '#libs/config/tracing-settings.js';
import { OtlpCollector } from '#libs/testing/otlp-collector.js';
import { Logger } from './logger.js';
import { Metrics } from './metrics.js';
import { maxQueuedSpans, startTracing } from './start-tracing.js';
import { isSampled, parseTraceContext } from './trace-context.js';
import { maxLinks, tracedOnes, type Tracing, tracingOff } from './tracing.js';

const parent = parseTraceContext(`00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`)!;
let collector: OtlpCollector;
let metrics: Metrics;
let lines: Record<string, unknown>[];
let tracing: Tracing;

async function start(settings: Record<string, string> = {}): Promise<void> {
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: await collector.start(), ...settings };
  const options = tracingOptions('validator', loadSettings(tracingSettings, env));
  tracing = startTracing(options, metrics, new Logger('test', 'info', (line) => lines.push(JSON.parse(line))));
}

const begin = (from?: typeof parent) => tracing.start('x', { kind: SpanKind.SERVER, parent: from, attributes: {} })!;
const make = (count: number): void => {
  for (let i = 0; i < count; i++) begin(parent).end();
};

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const untilMs = Date.now() + 20_000; !(await condition());) {
    if (Date.now() > untilMs) throw new Error('waited in vain');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function dropped(reason: string): Promise<number> {
  const { values } = await metrics.registry.getSingleMetric('millrace_tracing_spans_dropped_total')!.get();
  return values.find(({ labels }) => labels['reason'] === reason)?.value ?? 0;
}

const events = (): unknown[] => lines.map(({ event }) => event);

beforeEach(() => {
  collector = new OtlpCollector();
  metrics = new Metrics('test');
  lines = [];
});

describe('with an endpoint', () => {
  afterEach(async () => {
    await tracing.stop();
    await collector.stop();
  });

  it('spans reach the collector as OTLP/JSON, under the name of the service, with the headers of the settings', async () => {
    await start({ OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20t' });
    begin(parent).end();
    await tracing.stop();
    expect(collector.requests).toEqual([{ path: '/v1/traces', authorization: 'Bearer t' }]);
    expect(collector.spans).toMatchObject([
      { service: 'validator', traceId: parent.traceId, parentSpanId: parent.spanId, kind: 2 },
    ]);
  });

  it('the sampler of the settings decides where a trace begins, and the caller where it began elsewhere', async () => {
    const unsampled = { ...parent, traceFlags: 0 };
    await start({ OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' });
    expect(isSampled(begin().spanContext())).toBe(false);
    expect(isSampled(begin(parent).spanContext())).toBe(true);
    const ratio = async (arg: string): Promise<number> => {
      await collector.stop();
      metrics = new Metrics('test');
      collector = new OtlpCollector();
      await start({ OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: arg });
      return Array.from({ length: 2_000 }, () => begin().spanContext()).filter(isSampled).length / 2_000;
    };
    expect(await ratio('1')).toBe(1);
    expect(await ratio('0.25')).toBeCloseTo(0.25, 1);
    expect(isSampled(begin(unsampled).spanContext())).toBe(false);
  });

  it('a collector that refuses loses spans, counted, and is told of once; so is its return', async () => {
    await start();
    collector.answer = 400;
    for (const total of [512, 1_024]) {
      make(512);
      await until(async () => (await dropped('export-failed')) === total);
    }
    expect(lines).toMatchObject([{ level: 'warn', event: 'spans_dropped', reason: 'export-failed' }]);
    collector.answer = 200;
    make(512);
    await until(() => collector.spans.length === 512);
    await until(() => events().length === 2);
    expect(events()).toEqual(['spans_dropped', 'spans_exported_again']);
  });

  it('a collector that never answers holds nobody up: what waits is bounded, and the rest is dropped and counted', async () => {
    await start();
    collector.answer = 'never';
    make(512);
    await until(() => collector.requests.length === 1);
    make(maxQueuedSpans + 100);
    expect(await dropped('queue-full')).toBe(100);
    expect(lines).toMatchObject([{ event: 'spans_dropped', reason: 'queue-full' }]);
    collector.answer = 200;
    collector.hangUp();
    await until(() => collector.spans.length === 512 + maxQueuedSpans); // tried again, and so goes what waited
  }, 30_000);
});

it('without an endpoint nothing is traced', () => {
  tracing = startTracing(tracingOptions('validator', loadSettings(tracingSettings, {})), metrics, new Logger('test'));
  expect(tracing).toBe(tracingOff);
  expect(tracing.enabled).toBe(false);
  expect(tracing.start('x', { kind: SpanKind.SERVER, parent, attributes: {} })).toBeUndefined();
});

describe('the settings', () => {
  const load = (env: Record<string, string>) => tracingOptions('monitor', loadSettings(tracingSettings, env));

  it("are OpenTelemetry's: the endpoint of traces goes before that of all signals, and what is empty is not set", () => {
    const OTEL_EXPORTER_OTLP_ENDPOINT = 'http://c:4318/';
    expect(load({ OTEL_EXPORTER_OTLP_ENDPOINT })).toEqual({
      serviceName: 'monitor',
      url: 'http://c:4318/v1/traces',
      headers: {},
      sampler: 'parentbased_always_on',
      ratio: 1,
    });
    const OTEL_EXPORTER_OTLP_TRACES_ENDPOINT = 'https://t/x';
    expect(load({ OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT }).url).toBe('https://t/x');
    expect(
      load({ OTEL_EXPORTER_OTLP_ENDPOINT: '', OTEL_TRACES_SAMPLER: '', OTEL_TRACES_SAMPLER_ARG: '' }),
    ).toMatchObject({ url: undefined, sampler: 'parentbased_always_on', ratio: 1 });
    expect(load({ OTEL_SERVICE_NAME: 'mine', OTEL_EXPORTER_OTLP_HEADERS: 'a=1, b=%20x' })).toMatchObject({
      serviceName: 'mine',
      headers: { a: '1', b: ' x' },
    });
  });

  it.each([
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' }, /OTEL_EXPORTER_OTLP_ENDPOINT="collector:4318": must be a URL/],
    [{ OTEL_TRACES_SAMPLER: 'sometimes' }, /OTEL_TRACES_SAMPLER="sometimes"/],
    [{ OTEL_TRACES_SAMPLER_ARG: '2' }, /OTEL_TRACES_SAMPLER_ARG="2"/],
    [{ OTEL_EXPORTER_OTLP_HEADERS: 'no-value' }, /OTEL_EXPORTER_OTLP_HEADERS="\*\*\*": must be name=value/],
    [{ OTEL_EXPORTER_OTLP_HEADERS: 'a=%' }, /the value of a must be percent-encoded/],
  ])('%j is refused by name', (env, message) => expect(() => load(env)).toThrow(message));
});

it('of the many contexts of a batch the sampled ones are taken, each once, and not more than can be linked', () => {
  const context = (i: number, flags = '01') =>
    parseTraceContext(`00-${'a'.repeat(32)}-${i.toString(16).padStart(16, '0')}-${flags}`);
  expect(tracedOnes([undefined, context(1, '00'), context(2), context(2), context(3)])).toEqual([
    context(2),
    context(3),
  ]);
  expect(tracedOnes(Array.from({ length: 100 }, (_, i) => context(i + 1)))).toHaveLength(maxLinks);
});

it('a line that is written inside of a span carries trace_id and span_id', () => {
  const log = new Logger('test', 'info', (line) => lines.push(JSON.parse(line)));
  log.within(parent).warn('inside', { a: 1 });
  log.within(undefined).warn('outside');
  expect(lines[0]).toMatchObject({ event: 'inside', trace_id: parent.traceId, span_id: parent.spanId, a: 1 });
  expect(lines[1]).not.toHaveProperty('trace_id');
});
