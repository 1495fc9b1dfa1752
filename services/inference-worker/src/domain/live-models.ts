import type { ModelPool } from './model-pool.js';

/** A version that an endpoint's route names, or that was just registered. */
export interface ModelRef {
  readonly name: string;
  readonly sha256: string;
}

/**
 * Which models should be loaded before anybody asks: what an endpoint's route names, which is its live version, the candidate beside it and the one that was live
 * before, and, once started, every newly registered version, for it may be offered next. These count as live: they are released last. A version that is deleted
 * and named by no route is unloaded; one that is only no longer named stays while there is room.
 */
export class LiveModels {
  private readonly liveByEndpoint = new Map<string, readonly ModelRef[]>();
  private readonly versions = new Map<string, ModelRef>();
  private started = false;

  /** @param onFault told when a model that should be loaded cannot be */
  constructor(
    private readonly pool: ModelPool,
    private readonly onFault: (model: ModelRef, problem: string) => void,
  ) {}

  /** @param versions the most needed first; empty = the endpoint has no live version (any more) */
  setRoute(endpoint: string, versions: readonly ModelRef[]): void {
    if (versions.length === 0) this.liveByEndpoint.delete(endpoint);
    else this.liveByEndpoint.set(endpoint, versions);
    this.pool.setLive(new Set(this.routed().map(({ sha256 }) => sha256)));
    if (this.started) void this.preloadAll(versions);
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

  /** To be called once when the topics have been read: loads what routes name. A model that cannot be loaded is reported and does not stop the others. */
  async start(): Promise<void> {
    this.started = true;
    await this.preloadAll([...new Map(this.routed().map((model) => [model.sha256, model])).values()]);
  }

  private isNeeded(sha256: string): boolean {
    return [...this.routed(), ...this.versions.values()].some((model) => model.sha256 === sha256);
  }

  /** What endpoints need most comes first, whichever endpoint it is. */
  private routed(): ModelRef[] {
    const routes = [...this.liveByEndpoint.values()];
    const most = Math.max(0, ...routes.map(({ length }) => length));
    return Array.from({ length: most }, (_, i) => routes.flatMap((versions) => versions[i] ?? [])).flat();
  }

  private async preloadAll(models: readonly ModelRef[]): Promise<void> {
    for (const model of models) await this.preload(model);
  }

  private async preload(model: ModelRef): Promise<void> {
    const outcome = await this.pool.load(model.sha256);
    if (!outcome.ok) this.onFault(model, `${outcome.code}: ${outcome.message}`);
  }
}
