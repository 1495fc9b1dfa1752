import { type ServiceName, serviceNames } from './services.js';

/**
 * One row a topic: the only place where a topic is spelled. Topics with `<stream>` in the name exist once per Stream definition.
 * Boot and a test hold what is really wired against this table.
 */
export interface TopicSpec {
  readonly name: string;
  /** What the record key holds: records of one key keep their order. */
  readonly key: string;
  /** What the record value holds, and where its shape is defined. */
  readonly message: string;
  readonly partitions: number;
  /** 'compact' keeps the newest value a key for ever; a number keeps records so many days. */
  readonly retention: 'compact' | number;
  readonly owner: ServiceName;
  readonly publishers: readonly ServiceName[];
  readonly consumers: readonly ServiceName[];
}

const streamPartitions = 4;

export const topics = {
  rawEvents: {
    name: 'events.<stream>.raw.v1',
    key: "the stream's key column",
    message: 'CloudEvents Kafka binding, JSON data (event-record.ts)',
    partitions: streamPartitions,
    retention: 30,
    owner: 'ingest',
    publishers: ['ingest', 'validator'],
    consumers: ['validator'],
  },
  validEvents: {
    name: 'events.<stream>.valid.v1',
    key: "the stream's key column",
    message: 'JSON row with derived columns (event-record.ts)',
    partitions: streamPartitions,
    retention: 30,
    owner: 'validator',
    publishers: ['validator'],
    consumers: ['feature-store', 'monitor'],
  },
  quarantinedEvents: {
    name: 'events.<stream>.quarantined.v1',
    key: "the raw record's key",
    message: 'millrace.validator.v1.QuarantinedEvent',
    partitions: streamPartitions,
    retention: 30,
    owner: 'validator',
    publishers: ['validator'],
    consumers: ['validator'],
  },
  predictionsLogged: {
    name: 'predictions.logged.v1',
    key: 'wal_id',
    message: 'millrace.predictions.v1.PredictionBlock',
    partitions: streamPartitions,
    retention: 7,
    owner: 'inference-gateway',
    publishers: ['inference-gateway'],
    consumers: ['monitor'],
  },
  definitionsChanged: {
    name: 'definitions.changed.v1',
    key: 'kind/name',
    message: 'millrace.control.v1.DefinitionChanged',
    partitions: 1,
    retention: 'compact',
    owner: 'registry',
    publishers: ['registry'],
    consumers: serviceNames, // policies
  },
  modelsChanged: {
    name: 'models.changed.v1',
    key: 'model@version',
    message: 'millrace.control.v1.ModelVersionChanged',
    partitions: 1,
    retention: 'compact',
    owner: 'registry',
    publishers: ['registry'],
    consumers: ['inference-worker', 'monitor'],
  },
  routesChanged: {
    name: 'routes.changed.v1',
    key: 'endpoint',
    message: 'millrace.registry.v1.Route',
    partitions: 1,
    retention: 'compact',
    owner: 'registry',
    publishers: ['registry'],
    consumers: ['inference-gateway', 'inference-worker'],
  },
  rolloutsChanged: {
    name: 'rollouts.changed.v1',
    key: 'rollout_id',
    message: 'millrace.registry.v1.Rollout',
    partitions: 1,
    retention: 'compact',
    owner: 'registry',
    publishers: ['registry'],
    consumers: ['monitor', 'governance'],
  },
  approvalsDecided: {
    name: 'approvals.decided.v1',
    key: 'subject',
    message: 'millrace.governance.v1.ApprovalDecided',
    partitions: 1,
    retention: 30,
    owner: 'governance',
    publishers: ['governance'],
    consumers: ['registry'],
  },
  rolloutsJudged: {
    name: 'rollouts.judged.v1',
    key: 'rollout_id',
    message: 'millrace.monitor.v1.Judgement',
    partitions: 1,
    retention: 30,
    owner: 'monitor',
    publishers: ['monitor'],
    consumers: ['registry'],
  },
  alertsRaised: {
    name: 'alerts.raised.v1',
    key: 'fingerprint',
    message: 'millrace.monitor.v1.Alert',
    partitions: 1,
    retention: 30,
    owner: 'monitor',
    publishers: ['monitor'],
    consumers: ['trainer'],
  },
  auditRecorded: {
    name: 'audit.recorded.v1',
    key: 'event_id',
    message: 'millrace.governance.v1.AuditEvent',
    partitions: 1,
    retention: 30,
    owner: 'governance',
    publishers: serviceNames, // what was refused
    consumers: ['governance'],
  },
} as const satisfies Record<string, TopicSpec>;

export type TopicId = keyof typeof topics;

/** The Kafka topic of a row; `stream` is required exactly where the row has `<stream>`. */
export function topicName(id: TopicId, stream?: string): string {
  const { name } = topics[id];
  if (name.includes('<stream>') !== (stream !== undefined)) throw new Error(`topic ${id}: stream is ${stream}`);
  return stream === undefined ? name : name.replace('<stream>', stream);
}

export function isPerStream(id: TopicId): boolean {
  return topics[id].name.includes('<stream>');
}
