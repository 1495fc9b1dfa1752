import type { ServiceName } from '#libs/contracts/services.js';
import type { AlertView, RolloutView, ServiceView } from '../../views/mesh.view.js';

/** How far the topics of the mesh have come. */
export abstract class TopicReader {
  /** Every topic of the table that exists, with the sum over its partitions of what the next record will be numbered. @throws MillraceError unavailable */
  abstract ends(): Promise<ReadonlyMap<string, readonly number[]>>;
  /** For each consumer group of a service, and each topic that it reads, the committed offset of each partition; -1 = none. @throws MillraceError unavailable */
  abstract committed(): Promise<readonly GroupOffsets[]>;
}

export interface GroupOffsets {
  readonly group: string;
  readonly topic: string;
  readonly offsets: ReadonlyMap<number, number>;
}

/** What each process says of itself. */
export abstract class ServiceProbe {
  abstract state(service: ServiceName): Promise<ServiceView>;
  /** The sum over its labels of a metric that a service counts. @throws MillraceError unavailable */
  abstract counter(service: ServiceName, metric: string): Promise<number>;
}

/** What other services know that belongs on every page. */
export abstract class Bulletin {
  abstract firing(): Promise<readonly AlertView[]>;
  abstract rollouts(): Promise<readonly RolloutView[]>;
}
