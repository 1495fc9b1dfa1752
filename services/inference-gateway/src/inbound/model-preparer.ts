import type { ModelVersion } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import type { Logger } from '#libs/telemetry/logger.js';
import { originOf } from '../domain/tensor-endpoint.js';

const firstDelayMs = 100;
const maxDelayMs = 2_000;

/** Which versions of an endpoint a worker should have loaded and checked: those that are to answer are tried until they are, the one before only once. */
export interface WantedVersions {
  readonly needed: readonly ModelVersion[];
  readonly previous: ModelVersion | undefined;
}

/** Has versions prepared by the workers before traffic goes to them, an endpoint's at once and each by itself. */
export class ModelPreparer {
  private readonly wanted = new Map<string, WantedVersions>();
  private readonly prepared = new Map<string, Set<string>>();
  private readonly preparing = new Set<string>();

  /** @param load has one made ready @param onPrepared told the endpoint when one of its versions has become ready */
  constructor(
    private readonly load: (endpoint: string, version: ModelVersion) => Promise<void>,
    private readonly logger: Logger,
    private readonly onPrepared: (endpoint: string) => void,
  ) {}

  isPrepared(endpoint: string, version: ModelVersion): boolean {
    return this.prepared.get(endpoint)?.has(originOf(version)) === true;
  }

  /** Begins with what is not ready yet and forgets what is not wanted any more. */
  want(endpoint: string, wanted: WantedVersions): void {
    this.wanted.set(endpoint, wanted);
    const versions = [...wanted.needed, ...(wanted.previous === undefined ? [] : [wanted.previous])];
    const known = this.prepared.get(endpoint) ?? new Set();
    this.prepared.set(endpoint, new Set(versions.map(originOf).filter((origin) => known.has(origin))));
    for (const version of versions) if (!this.isPrepared(endpoint, version)) void this.prepare(endpoint, version);
  }

  forget(endpoint: string): void {
    this.wanted.delete(endpoint);
    this.prepared.delete(endpoint);
  }

  stop(): void {
    this.wanted.clear();
  }

  private async prepare(endpoint: string, version: ModelVersion): Promise<void> {
    const origin = originOf(version);
    const key = `${endpoint} ${origin}`;
    if (this.preparing.has(key)) return;
    this.preparing.add(key);
    let delayMs = firstDelayMs;
    do {
      try {
        await this.load(endpoint, version);
        this.preparing.delete(key);
        this.ready(endpoint, origin);
        return;
      } catch (error) {
        this.logger.warn('version_not_prepared', { endpoint, version: version.version, error: errorMessage(error) });
        if (this.isNeeded(endpoint, origin)) await new Promise((resolve) => setTimeout(resolve, delayMs));
        delayMs = Math.min(maxDelayMs, delayMs * 2);
      }
    } while (this.isNeeded(endpoint, origin));
    this.preparing.delete(key);
  }

  private ready(endpoint: string, origin: string): void {
    const { needed, previous } = this.wanted.get(endpoint) ?? { needed: [], previous: undefined };
    const wanted = previous === undefined ? needed : [...needed, previous];
    if (!wanted.some((version) => originOf(version) === origin)) return;
    this.prepared.get(endpoint)?.add(origin);
    this.onPrepared(endpoint);
  }

  private isNeeded(endpoint: string, origin: string): boolean {
    return this.wanted.get(endpoint)?.needed.some((version) => originOf(version) === origin) === true;
  }
}
