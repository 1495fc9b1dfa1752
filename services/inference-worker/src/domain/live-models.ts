import type { ModelPool } from './model-pool.js';

/** A version that an endpoint has live, or that was just registered. */
export interface ModelRef {
  readonly name: string;
  readonly sha256: string;
}

/**
 * Which models should be loaded before anybody asks: what is live on an endpoint, and, once started, every newly registered version, for it may go live next.
 * A version that is deleted and live nowhere is unloaded; one that is only no longer live stays while there is room, so that going back is quick.
 */
export class LiveModels {
  private readonly liveByEndpoint = new Map<string, ModelRef>();
  private readonly versions = new Map<string, ModelRef>();
  private started = false;

  /** @param onFault told when a model that should be loaded cannot be */
  constructor(
    private readonly pool: ModelPool,
    private readonly onFault: (model: ModelRef, problem: string) => void,
  ) {}

  /** @param live undefined = the endpoint has no live version (any more) */
  setRoute(endpoint: string, live: ModelRef | undefined): void {
    if (live === undefined) this.liveByEndpoint.delete(endpoint);
    else this.liveByEndpoint.set(endpoint, live);
    this.pool.setLive(new Set([...this.liveByEndpoint.values()].map(({ sha256 }) => sha256)));
    if (this.started && live !== undefined) void this.preload(live);
  }

  /** @param key `<model>@<version>`; undefined = deleted */
  setVersion(key: string, version: ModelRef | undefined): void {
    const known = this.versions.get(key);
    if (version === undefined) {
      this.versions.delete(key);
      if (known !== undefined && !this.isNeeded(known.sha256)) this.pool.unload(known.sha256);
      return;
    }
    this.versions.set(key, version);
    // An alias that moves publishes the version again: only new bytes are worth loading.
    if (this.started && known?.sha256 !== version.sha256) void this.preload(version);
  }

  /** To be called once when the topics have been read: loads what is live. A model that cannot be loaded is reported and does not stop the others. */
  async start(): Promise<void> {
    this.started = true;
    const live = new Map([...this.liveByEndpoint.values()].map((model) => [model.sha256, model]));
    for (const model of live.values()) await this.preload(model);
  }

  private isNeeded(sha256: string): boolean {
    const refs = [...this.liveByEndpoint.values(), ...this.versions.values()];
    return refs.some((model) => model.sha256 === sha256);
  }

  private async preload(model: ModelRef): Promise<void> {
    const outcome = await this.pool.load(model.sha256);
    if (!outcome.ok) this.onFault(model, `${outcome.code}: ${outcome.message}`);
  }
}
