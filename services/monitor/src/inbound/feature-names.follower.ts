import {
  featureNames,
  type FeatureServiceSpec,
  type FeatureViewSpec,
  type StreamSpec,
} from '#libs/definitions/definition-kinds.js';
import { featureServiceDigest } from '#libs/definitions/feature-service-digest.js';
import { followDefinitions } from '#libs/messaging/follow-definitions.js';
import type { Consumer, MessageLog } from '#libs/messaging/message-log.js';
import type { Logger } from '#libs/telemetry/logger.js';

/** What the places of a logged vector are called, by the digest of the feature service that it was made with. */
export class FeatureNamesFollower {
  private readonly services = new Map<string, FeatureServiceSpec>();
  private readonly views = new Map<string, FeatureViewSpec>();
  private readonly streams = new Map<string, StreamSpec>();
  private readonly byDigest = new Map<string, readonly string[]>();
  private follower: Consumer | undefined;

  constructor(
    private readonly log: MessageLog,
    private readonly logger: Logger,
  ) {}

  async start(): Promise<void> {
    this.follower = await followDefinitions(this.log, this.logger, ({ kind, name, spec }) => {
      const tables: Partial<Record<typeof kind, Map<string, unknown>>> = {
        FeatureService: this.services,
        FeatureView: this.views,
        Stream: this.streams,
      };
      if (spec === undefined) tables[kind]?.delete(name);
      else tables[kind]?.set(name, spec);
      // What is there at the start is learned together; what is replaced later must have been learned before.
      if (this.follower !== undefined && tables[kind] !== undefined) this.learn();
    });
    this.learn();
  }

  async stop(): Promise<void> {
    await this.follower?.stop();
  }

  /** In vector order; empty = no service of this digest is defined, or was since the start. */
  namesOf(digest: string): readonly string[] {
    return this.byDigest.get(digest) ?? [];
  }

  /** By digest. */
  all(): ReadonlyMap<string, readonly string[]> {
    return this.byDigest;
  }

  /** Names of a digest never change, so those of definitions that were replaced stay right. */
  private learn(): void {
    for (const service of this.services.values()) {
      const spine = this.streams.get(service.spine);
      if (spine !== undefined)
        this.byDigest.set(featureServiceDigest(service, [...this.views.values()], spine), featureNames(service));
    }
  }
}
