import { type Admin, Kafka, logLevel } from 'kafkajs';
import { serviceNames } from '#libs/contracts/services.js';
import { errorMessage, MillraceError } from '#libs/errors/millrace-error.js';
import { rowOf } from '../domain/mesh-picture.js';
import { type GroupOffsets, TopicReader } from '../domain/ports.js';

const namesEveryMs = 10_000;
/** A broker that is away is said so within a frame or two, not after the long patience of those who carry records. */
const patience = { retries: 1, initialRetryTime: 100 };

/** Asks Kafka itself, with one connection that is made at the first question. Names of topics and groups are asked for every 10 s. */
export class KafkaTopicReader extends TopicReader {
  private readonly kafka: Kafka;
  private admin: Promise<Admin> | undefined;
  private names: { atMs: number; topics: string[]; groups: string[] } | undefined;

  constructor(brokers: string[]) {
    super();
    this.kafka = new Kafka({
      clientId: 'console-looks',
      brokers,
      retry: patience,
      connectionTimeout: 1_000,
      requestTimeout: 3_000,
      logLevel: logLevel.NOTHING,
    });
  }

  async ends(): Promise<ReadonlyMap<string, readonly number[]>> {
    return this.asking(async (admin) => {
      const { topics } = await this.known(admin);
      const read = topics.map(async (topic) => {
        const offsets = await admin.fetchTopicOffsets(topic);
        return [topic, offsets.toSorted((a, b) => a.partition - b.partition).map(({ high }) => Number(high))] as const;
      });
      return new Map(await Promise.all(read));
    });
  }

  async committed(): Promise<readonly GroupOffsets[]> {
    return this.asking(async (admin) => {
      const { groups } = await this.known(admin);
      const read = groups.map(async (group) => {
        const found = await admin.fetchOffsets({ groupId: group });
        return found.map(({ topic, partitions }) => ({
          group,
          topic,
          offsets: new Map(partitions.map(({ partition, offset }) => [partition, Number(offset)])),
        }));
      });
      return (await Promise.all(read)).flat();
    });
  }

  async close(): Promise<void> {
    const admin = await this.admin?.catch(() => undefined); // one that never connected has nothing to close
    await admin?.disconnect();
  }

  private async known(admin: Admin): Promise<{ topics: string[]; groups: string[] }> {
    if (this.names !== undefined && Date.now() - this.names.atMs < namesEveryMs) return this.names;
    const [topics, { groups }] = await Promise.all([admin.listTopics(), admin.listGroups()]);
    this.names = {
      atMs: Date.now(),
      topics: topics.filter((topic) => rowOf(topic).id !== '').toSorted(),
      groups: groups
        .map(({ groupId }) => groupId)
        .filter((id) => (serviceNames as readonly string[]).includes(id.split('.')[0]!))
        .toSorted(),
    };
    return this.names;
  }

  private async asking<T>(question: (admin: Admin) => Promise<T>): Promise<T> {
    try {
      this.admin ??= this.connect();
      return await question(await this.admin);
    } catch (error) {
      this.drop();
      throw new MillraceError('unavailable', `kafka: ${errorMessage(error)}`, { cause: error });
    }
  }

  /** The next question begins anew: after an outage names and brokers may be others. */
  private drop(): void {
    const dropped = this.admin;
    this.admin = undefined;
    this.names = undefined;
    dropped?.then((admin) => admin.disconnect()).catch(() => undefined); // what never connected needs no farewell
  }

  private async connect(): Promise<Admin> {
    const admin = this.kafka.admin();
    await admin.connect();
    return admin;
  }
}
