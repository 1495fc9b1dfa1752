import { type TopicId, type TopicSpec, topics } from '#libs/contracts/topics.js';
import type { ServiceName } from '#libs/contracts/services.js';

/** What a process really publishes and consumes, collected as it is wired, and held against the table of topics. */
export class Wiring {
  private readonly publishes = new Set<TopicId>();
  private readonly consumes = new Set<TopicId>();

  addPublisher(topic: TopicId): void {
    this.publishes.add(topic);
  }

  addConsumer(topic: TopicId): void {
    this.consumes.add(topic);
  }

  /** Every difference between this process and the table, as sentences; empty = none. Consumers of per-stream topics appear with their stream. */
  problems(service: ServiceName): string[] {
    const table = Object.entries(topics) as [TopicId, TopicSpec][];
    return table.flatMap(([id, spec]) => {
      const found: string[] = [];
      if (spec.publishers.includes(service) && !this.publishes.has(id))
        found.push(`${service} should publish ${id} and does not`);
      if (!spec.publishers.includes(service) && this.publishes.has(id))
        found.push(`${service} publishes ${id}, which the table does not say`);
      if (!spec.consumers.includes(service) && this.consumes.has(id))
        found.push(`${service} consumes ${id}, which the table does not say`);
      if (spec.consumers.includes(service) && !this.consumes.has(id))
        found.push(`${service} should consume ${id} and does not`);
      return found;
    });
  }
}
