import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import { ModelVersionChanged } from '#libs/contracts/generated/millrace/control/v1/control.js';
import { type ModelVersion, Route } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { Consumer, MessageLog } from '#libs/messaging/message-log.js';
import type { LiveModels, ModelRef } from '../domain/live-models.js';

/** Reads which versions exist and which routes name; the service is ready when those that routes name have been tried. */
export class LiveModelsFollower implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private followers: Consumer[] = [];

  constructor(
    private readonly messageLog: MessageLog,
    private readonly liveModels: LiveModels,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    this.followers = await Promise.all([
      this.messageLog.follow('modelsChanged', (key, value) => this.liveModels.setVersion(key, versionOf(value))),
      this.messageLog.follow('routesChanged', (key, value) => this.liveModels.setRoute(key, namedBy(value))),
    ]);
    await this.liveModels.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all(this.followers.map((follower) => follower.stop()));
  }
}

function versionOf(value: Buffer | null): ModelRef | undefined {
  return value === null ? undefined : refOf(ModelVersionChanged.decode(value).version);
}

/** What answers, what is tried beside it, and what a rollback goes back to. */
function namedBy(value: Buffer | null): ModelRef[] {
  const route = value === null ? undefined : Route.decode(value);
  if (route === undefined || route.deleted) return [];
  return [route.live, route.candidate?.version, route.previous].flatMap((version) => refOf(version) ?? []);
}

function refOf(version: ModelVersion | undefined): ModelRef | undefined {
  // What is served elsewhere has no file.
  return version === undefined || version.upstream !== undefined
    ? undefined
    : { name: `${version.model}@${version.version}`, sha256: version.onnxSha256 };
}
