import type { ModelVersion } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import type { ArtifactStore } from '#libs/storage/artifact-store.js';
import type { Logger } from '#libs/telemetry/logger.js';
import { type FeatureReference, referenceOf } from '../domain/reference-histograms.js';
import { readReferences } from './training-set.reader.js';
import type { VersionReferences } from './version-references.js';
import type { WatchingStore } from './watching.store.js';

const retryMs = 30_000;
/** Of live scores that the score's reference is made of. */
export const scoreRows = 1_000;

/**
 * References of versions, made once: of features from the training set, of the score from the validation scores that a version brings; of one that brings none from its first
 * live ones. What cannot be read is logged, and tried again half a minute later.
 */
export class ReferenceKeeper {
  private readonly known = new Map<string, readonly FeatureReference[]>();
  private readonly made = new Set<string>();
  private readonly retryAtMs = new Map<string, number>();

  constructor(
    private readonly store: WatchingStore,
    private readonly artifacts: ArtifactStore,
    private readonly brought: VersionReferences,
    private readonly logger: Logger,
  ) {}

  /** Makes what is missing of these versions; never throws. */
  async makeMissing(versions: Iterable<ModelVersion>): Promise<void> {
    for (const version of versions) {
      const key = `${version.model}@${version.version}`;
      const waits = this.made.has(key) || (this.retryAtMs.get(key) ?? 0) > Date.now();
      if (version.datasetSha256 === '' || waits) continue;
      try {
        await this.make(version);
        this.made.add(key);
      } catch (error) {
        this.retryAtMs.set(key, Date.now() + retryMs);
        this.logger.warn('reference_not_made', { version: key, error: errorMessage(error) });
      }
    }
  }

  private async make(version: ModelVersion): Promise<void> {
    const { model, version: number } = version;
    if ((await this.referencesOf(model, number)).some(({ position }) => position > 0)) return;
    const references = await readReferences(this.artifacts, version);
    await this.store.insertReferences(model, number, references);
    this.logger.info('reference_made', { version: `${model}@${number}`, features: references.length });
  }

  /** Empty = there is none yet. */
  async referencesOf(model: string, version: string): Promise<readonly FeatureReference[]> {
    const key = `${model}@${version}`;
    const known = this.known.get(key);
    if (known !== undefined) return known;
    const found = await this.store.references(model, version);
    if (found.some(({ position }) => position > 0) && found.some(({ position }) => position === 0))
      this.known.set(key, found);
    return found;
  }

  /** Makes the score's reference: from what the version brings, else once so many predictions are there. */
  async addScore(endpoint: string, model: string, version: string): Promise<void> {
    if ((await this.referencesOf(model, version)).some(({ position }) => position === 0)) return;
    const score = await this.scoreOf(endpoint, model, version);
    if (score !== undefined) await this.store.insertReferences(model, version, [score]);
  }

  private async scoreOf(endpoint: string, model: string, version: string): Promise<FeatureReference | undefined> {
    const key = `${model}@${version}`;
    const brought = (await this.brought.of(key))?.score;
    if (brought !== undefined) {
      const { edges, counts, nulls, deviation } = brought;
      return { feature: 'score', position: 0, edges, counts, nulls, deviation };
    }
    if (this.brought.brings(key)) return undefined; // it comes when its artifact can be read
    const scores = await this.store.firstScores(endpoint, version, scoreRows);
    return scores.length === scoreRows ? referenceOf('score', 0, scores) : undefined;
  }
}
