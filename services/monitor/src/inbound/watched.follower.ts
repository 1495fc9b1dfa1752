import { ModelVersionChanged } from '#libs/contracts/generated/millrace/control/v1/control.js';
import type { ModelVersion } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import {
  type EndpointSpec,
  isTabular,
  type ModelSpec,
  type MonitorSpec,
  type TabularModelSpec,
} from '#libs/definitions/definition-kinds.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import { followDefinitions } from '#libs/messaging/follow-definitions.js';
import type { Consumer, MessageLog } from '#libs/messaging/message-log.js';
import type { Logger } from '#libs/telemetry/logger.js';

/** What there is to watch, as it is now: Monitors and models by name, the model of an endpoint, versions by `<model>@<version>`. */
export class WatchedFollower {
  readonly monitors = new Map<string, MonitorSpec>();
  readonly models = new Map<string, TabularModelSpec>();
  readonly endpoints = new Map<string, string>();
  readonly versions = new Map<string, ModelVersion>();
  private followers: Consumer[] = [];

  constructor(
    private readonly log: MessageLog,
    private readonly logger: Logger,
  ) {}

  async start(): Promise<void> {
    const definitions = await followDefinitions(this.log, this.logger, ({ kind, name, spec }) => {
      if (kind === 'Monitor') set(this.monitors, name, spec as MonitorSpec | undefined);
      if (kind === 'Model') set(this.models, name, tabular(spec as ModelSpec | undefined));
      if (kind === 'Endpoint') set(this.endpoints, name, (spec as EndpointSpec | undefined)?.model);
    });
    this.followers = [definitions, await this.log.follow('modelsChanged', (key, value) => this.onVersion(key, value))];
  }

  async stop(): Promise<void> {
    await Promise.all(this.followers.map((follower) => follower.stop()));
  }

  private onVersion(key: string, value: Buffer | null): void {
    try {
      const version = value === null ? undefined : ModelVersionChanged.decode(value).version;
      if (version === undefined) this.versions.delete(key);
      else this.versions.set(key, version);
    } catch (error) {
      this.logger.error('model_version_not_read', { key, error: errorMessage(error) });
    }
  }
}

/** What a tensor model answers has no labels, and nothing of it is watched here. */
function tabular(model: ModelSpec | undefined): TabularModelSpec | undefined {
  return model !== undefined && isTabular(model) ? model : undefined;
}

function set<T>(table: Map<string, T>, name: string, value: T | undefined): void {
  if (value === undefined) table.delete(name);
  else table.set(name, value);
}
