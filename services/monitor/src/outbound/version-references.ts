import { Reference } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import type { ModelVersion } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import type { ArtifactStore } from '#libs/storage/artifact-store.js';
import type { Logger } from '#libs/telemetry/logger.js';
import type { Calibrations } from '../domain/performance.js';

const retryMs = 30_000;
const mostBins = 1_000;

/** References that versions bring as an artifact: what their scores were and meant on the validation rows. One that cannot be read is logged, and tried again half a minute later. */
export class VersionReferences {
  private readonly known = new Map<string, Reference>();
  private readonly retryAtMs = new Map<string, number>();

  constructor(
    private readonly artifacts: ArtifactStore,
    private readonly versions: ReadonlyMap<string, ModelVersion>,
    private readonly logger: Logger,
  ) {}

  /** True where it is to be had, now or once the artifact is there. @param key `<model>@<version>` */
  brings(key: string): boolean {
    return (this.versions.get(key)?.referenceSha256 ?? '') !== '';
  }

  /** Undefined = the version brings none, or it cannot be read now. @param key `<model>@<version>` */
  async of(key: string): Promise<Reference | undefined> {
    const known = this.known.get(key);
    if (known !== undefined || !this.brings(key) || (this.retryAtMs.get(key) ?? 0) > Date.now()) return known;
    try {
      const reference = Reference.decode(await this.artifacts.read(this.versions.get(key)!.referenceSha256));
      check(reference);
      this.known.set(key, reference);
      return reference;
    } catch (error) {
      this.retryAtMs.set(key, Date.now() + retryMs);
      this.logger.warn('reference_not_read', { version: key, error: errorMessage(error) });
      return undefined;
    }
  }

  /** Of those versions that have one. */
  async calibrations(keys: Iterable<string>): Promise<Calibrations> {
    const found = new Map<string, Reference['calibration']>();
    for (const key of new Set(keys)) {
      const bins = (await this.of(key))?.calibration ?? [];
      if (bins.length > 0) found.set(key, bins);
    }
    return found;
  }
}

/** @throws Error naming what is wrong */
function check({ score, calibration }: Reference): void {
  if (score !== undefined && score.counts.length !== score.edges.length + 1)
    throw new Error(`score: ${score.counts.length} counts of ${score.edges.length} edges, must be one more`);
  if (calibration.length > mostBins)
    throw new Error(`calibration: ${calibration.length} bins, must be at most ${mostBins}`);
  calibration.forEach(({ meanScore, meanLabel, rows }, i) => {
    const before = calibration[i - 1] ?? { meanScore: -Infinity, meanLabel: 0 };
    if (!(meanLabel >= before.meanLabel && meanLabel <= 1 && meanScore > before.meanScore && rows > 0))
      throw new Error(
        `calibration[${i}]: mean score ${meanScore}, mean label ${meanLabel}, rows ${rows}: must rise within 0..1`,
      );
  });
}
