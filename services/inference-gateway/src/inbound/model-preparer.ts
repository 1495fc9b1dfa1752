import type { ModelVersion } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import type { Logger } from '#libs/telemetry/logger.js';
import type { ModelRunner } from '../domain/ports.js';

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

  /** @param onPrepared told the endpoint when one of its versions has become ready */
  constructor(
    private readonly runner: ModelRunner,
    private readonly logger: Logger,
    private readonly onPrepared: (endpoint: string) => void,
  ) {}

  isPrepared(endpoint: string, { onnxSha256 }: ModelVersion): boolean {
    return this.prepared.get(endpoint)?.has(onnxSha256) === true;
  }

  /** Begins with what is not ready yet and forgets what is not wanted any more. */
  want(endpoint: string, wanted: WantedVersions): void {
    this.wanted.set(endpoint, wanted);
    const versions = [...wanted.needed, ...(wanted.previous === undefined ? [] : [wanted.previous])];
    const known = this.prepared.get(endpoint) ?? new Set();
    this.prepared.set(endpoint, new Set(versions.map(({ onnxSha256 }) => onnxSha256).filter((sha) => known.has(sha))));
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
    const { onnxSha256, features } = version;
    const key = `${endpoint} ${onnxSha256}`;
    if (this.preparing.has(key)) return;
    this.preparing.add(key);
    let delayMs = firstDelayMs;
    do {
      try {
        await this.runner.prepare(onnxSha256, features.length);
        this.preparing.delete(key);
        this.ready(endpoint, onnxSha256);
        return;
      } catch (error) {
        this.logger.warn('version_not_prepared', { endpoint, version: version.version, error: errorMessage(error) });
        if (this.isNeeded(endpoint, onnxSha256)) await new Promise((resolve) => setTimeout(resolve, delayMs));
        delayMs = Math.min(maxDelayMs, delayMs * 2);
      }
    } while (this.isNeeded(endpoint, onnxSha256));
    this.preparing.delete(key);
  }

  private ready(endpoint: string, onnxSha256: string): void {
    const { needed, previous } = this.wanted.get(endpoint) ?? { needed: [], previous: undefined };
    if (previous?.onnxSha256 !== onnxSha256 && !needed.some((version) => version.onnxSha256 === onnxSha256)) return;
    this.prepared.get(endpoint)?.add(onnxSha256);
    this.onPrepared(endpoint);
  }

  private isNeeded(endpoint: string, onnxSha256: string): boolean {
    return this.wanted.get(endpoint)?.needed.some((version) => version.onnxSha256 === onnxSha256) === true;
  }
}
