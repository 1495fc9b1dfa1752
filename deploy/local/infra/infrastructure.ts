import { errorMessage } from '#libs/errors/millrace-error.js';
import { startClickHouse } from './clickhouse.process.js';
import { startKafka } from './kafka.process.js';
import { LocalFolder } from './local-folder.js';
import { startPostgres } from './postgres.process.js';
import { NotReadyError, type SupervisedProcess } from './supervised-process.js';
import { startValkey } from './valkey.process.js';

export const dependencies = ['kafka', 'clickhouse', 'redis', 'postgres'] as const;
export type Dependency = (typeof dependencies)[number];

export interface InfrastructureOptions {
  readonly dataDir: string;
  /** Where it already runs elsewhere: `host:port[,host:port]` of Kafka, a URL of each other. */
  readonly external: Partial<Record<Dependency, string>>;
  readonly onProgress: (line: string) => void;
  /** Forget the data of earlier runs; what was downloaded is kept. */
  readonly fresh: boolean;
}

export interface Infrastructure {
  /** host:port each. */
  readonly addresses: Record<Dependency, string>;
  /** KAFKA_BROKERS, CLICKHOUSE_URL, REDIS_URL, POSTGRES_URL (no database in it). */
  readonly settings: Record<string, string>;
  /** Those that run here. */
  readonly processes: Partial<Record<Dependency, SupervisedProcess>>;
  stop(): Promise<void>;
}

interface Started {
  readonly address: string;
  readonly url?: string;
  readonly process?: SupervisedProcess;
}

/** Starts the four at once; ready when each answers its client. When one fails, the others end. */
export async function startInfrastructure(options: InfrastructureOptions): Promise<Infrastructure> {
  const folder = new LocalFolder(options.dataDir);
  folder.hold();
  if (options.fresh) folder.clear();
  folder.requireSpace();
  const starts: Record<Dependency, () => Promise<Started>> = {
    kafka: () => startKafka(folder, options.onProgress),
    clickhouse: () => startClickHouse(folder),
    redis: () => startValkey(folder, options.onProgress),
    postgres: () => startPostgres(folder),
  };
  const outcomes = await Promise.allSettled(
    dependencies.map(async (name): Promise<Started> => {
      const external = options.external[name];
      if (external !== undefined) return { address: hostAndPort(external), url: external };
      const started = await starts[name]();
      options.onProgress(`${name.padEnd(10)} ${started.address}`);
      return started;
    }),
  );
  const running = outcomes.flatMap((outcome) =>
    outcome.status === 'fulfilled' && outcome.value.process !== undefined ? [outcome.value.process] : [],
  );
  const stop = async (): Promise<void> => {
    await Promise.all(running.map((process) => process.stop()));
    folder.release();
  };
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) {
    await stop();
    throw new Error(`${errorMessage(failed.reason)}${damageHint(failed.reason, options.dataDir)}`, {
      cause: failed.reason,
    });
  }
  const [kafka, clickhouse, redis, postgres] = outcomes.map(
    (outcome) => (outcome as PromiseFulfilledResult<Started>).value,
  ) as [Started, Started, Started, Started];
  const started = { kafka, clickhouse, redis, postgres };
  return {
    addresses: {
      kafka: kafka.address,
      clickhouse: clickhouse.address,
      redis: redis.address,
      postgres: postgres.address,
    },
    settings: {
      KAFKA_BROKERS: kafka.url ?? kafka.address,
      CLICKHOUSE_URL: clickhouse.url!,
      REDIS_URL: redis.url ?? `redis://${redis.address}`,
      POSTGRES_URL: postgres.url!,
    },
    processes: Object.fromEntries(
      dependencies.flatMap((name) => (started[name].process === undefined ? [] : [[name, started[name].process]])),
    ),
    stop,
  };
}

/** A server that ends before it answers has most often found its data damaged. */
function damageHint(reason: unknown, dataDir: string): string {
  return reason instanceof NotReadyError
    ? `\nif the log speaks of damaged data: \`npm start -- --fresh\` begins anew in ${dataDir}, what was downloaded is kept`
    : '';
}

/** Of `host:port,…` or of a URL. */
function hostAndPort(address: string): string {
  return address.includes('://') ? new URL(address).host : address.split(',')[0]!;
}
