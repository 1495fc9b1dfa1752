import { setTimeout as sleep } from 'node:timers/promises';
import { ModelVersion } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { encodeValidEvent } from '#libs/contracts/event-record.js';
import {
  featureNames,
  type FeatureServiceSpec,
  type FeatureViewSpec,
  type StreamSpec,
} from '#libs/definitions/definition-kinds.js';
import { featureServiceDigest } from '#libs/definitions/feature-service-digest.js';
import { KafkaMessageLog } from '#libs/messaging/kafka-message-log.js';
import { Wiring } from '#libs/messaging/wiring.js';
import { Logger } from '#libs/telemetry/logger.js';
import { type ServiceProcess, token } from '#libs/testing/service-process.js';
import { putArtifact, ToldRegistry } from '#libs/testing/told-registry.js';

const minuteMs = 60_000;
const stream = 'visits';
export const entities: readonly string[] = Array.from({ length: 500 }, (_, i) => `visitor-${i}`);
const eventsEach = 20;
const windowsMs = [10, 60, 360, 1_440, 10_080].map((minutes) => minutes * minuteMs);
const kinds = [
  { aggregation: 'count', value: '*' },
  { aggregation: 'sum', value: 'amount' },
  { aggregation: 'mean', value: 'amount' },
  { aggregation: 'min', value: 'amount' },
  { aggregation: 'max', value: 'amount' },
  { aggregation: 'std', value: 'amount' },
  { aggregation: 'first', value: 'amount' },
  { aggregation: 'last', value: 'amount' },
  { aggregation: 'sum', value: 'pages' },
  { aggregation: 'mean', value: 'pages' },
] as const;

const spine: StreamSpec = {
  name: stream,
  eventTime: 'at',
  latenessMs: 0,
  schema: [
    { name: 'at', type: 'timestamp', nullable: false },
    { name: 'who', type: 'string', nullable: false },
    { name: 'amount', type: 'float64', nullable: false },
    { name: 'pages', type: 'int32', nullable: false },
  ],
  derive: [],
  expectations: [],
  compatibility: 'BACKWARD',
  dataClasses: {},
};
const view: FeatureViewSpec = {
  name: 'visitor',
  source: stream,
  entity: [{ name: 'who', column: 'who' }],
  ttlMs: 7 * 1_440 * minuteMs,
  features: windowsMs.flatMap((windowMs) =>
    kinds.map(({ aggregation, value }) => ({
      name: `${aggregation}_${value === '*' ? 'all' : value}_${windowMs / minuteMs}m`,
      aggregation,
      value,
      windowMs,
    })),
  ),
};
const features = view.features.map(({ name }) => name);
export const featureCount = features.length;
const service: FeatureServiceSpec = {
  name: 'visitor-features',
  spine: stream,
  items: [{ view: view.name, as: 'v', entity: [{ name: 'who', expression: 'who' }], features }],
};

export interface LookupMesh {
  untilReady(gatewayUrl: string, store: ServiceProcess): Promise<void>;
  close(): Promise<void>;
}

/** Tells of a stream, 50 features of it and an endpoint that reads them, as the registry would, and publishes events of the last hours as the validator would. */
export async function publishLookups(
  brokers: string,
  endpoint: string,
  model: Buffer,
  artifacts: string,
): Promise<LookupMesh> {
  const sha256 = await putArtifact(artifacts, model);
  const live = ModelVersion.fromPartial({
    model: endpoint,
    version: '1',
    onnxSha256: sha256,
    featureServiceDigest: featureServiceDigest(service, [view], spine),
    features: featureNames(service),
    task: 'regression',
  });
  const definitions = {
    [`Stream/${stream}`]: spine,
    [`FeatureView/${view.name}`]: view,
    [`FeatureService/${service.name}`]: service,
    [`Model/${endpoint}`]: { name: endpoint, task: 'regression', features: service.name, label: { join: 'who' } },
    [`Endpoint/${endpoint}`]: { name: endpoint, model: endpoint, log: { features: true } },
  };
  const registry = new ToldRegistry(brokers);
  const validator = new KafkaMessageLog(
    'validator',
    brokers.split(','),
    new Wiring(),
    new Logger('validator', 'error'),
  );
  await registry.ensureTopics([{ id: 'validEvents', stream }]);
  await registry.tell(definitions, [{ endpoint, model: endpoint, live }]);
  const events = visits(Date.now());
  await validator.publisher('validEvents').publish(events, stream);
  return {
    untilReady: (gatewayUrl, store) => untilReady(gatewayUrl, endpoint, store, events.length),
    close: async () => void (await Promise.all([registry.close(), validator.close()])),
  };
}

/** Of each entity, so many over the last day, in partition 0. */
function visits(nowMs: number) {
  return Array.from({ length: entities.length * eventsEach }, (_, i) => {
    const who = entities[i % entities.length]!;
    const at =
      nowMs - Math.floor(((entities.length * eventsEach - i) / (entities.length * eventsEach)) * 1_440 * minuteMs);
    const row = { at, who, amount: (i % 97) / 8, pages: i % 7 };
    const event = { id: String(i), eventTimeMs: at, sourcePartition: 0, sourceOffset: i, late: false, row };
    return encodeValidEvent(event, Buffer.from(who));
  });
}

const readyWithinMs = 60_000;

async function untilReady(gatewayUrl: string, endpoint: string, store: ServiceProcess, events: number): Promise<void> {
  const headers = { authorization: `Bearer ${token}` };
  for (const endMs = Date.now() + readyWithinMs; ; await sleep(100)) {
    const { status } = await fetch(`${gatewayUrl}/v2/models/${endpoint}/ready`, { headers });
    const applied = await store.metric('millrace_feature_store_events_applied_total');
    if (status === 200 && applied >= events) return;
    if (Date.now() > endMs)
      throw new Error(`not ready within a minute: HTTP ${status}, ${applied} of ${events} events`);
  }
}
