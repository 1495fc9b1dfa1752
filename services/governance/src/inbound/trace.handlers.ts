import { createPublicKey, type KeyObject } from 'node:crypto';
import type {
  Approval,
  Trace,
  TracePredictionRequest,
} from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { composeTrace, resourcesOf } from '../domain/compose-trace.js';
import type { TraceSources } from '../domain/trace-sources.js';
import type { AuditStore } from '../outbound/audit.store.js';
import type { PredictionReader } from '../outbound/prediction.reader.js';
import type { RegistryReader } from '../outbound/registry.reader.js';
import { proveEntries } from './prove-entries.js';

const maxIdLength = 200;

/** Approvals by their digests; throws a MillraceError for one that was changed in the database. */
export interface ApprovalsOf {
  find(digests: readonly string[]): Promise<readonly Approval[]>;
}

/** From a prediction back to what stands behind it: the log says what was answered, the registry by what, the audit log whether that is what was done. */
export class TraceHandlers {
  private readonly publicKey: KeyObject;

  constructor(
    private readonly predictions: PredictionReader,
    private readonly registry: RegistryReader,
    private readonly approvals: ApprovalsOf,
    private readonly audit: AuditStore,
    key: KeyObject,
  ) {
    this.publicKey = createPublicKey(key);
  }

  /** @throws MillraceError invalid-argument, not-found, unavailable */
  async trace({ predictionId }: TracePredictionRequest): Promise<Trace> {
    if (predictionId === '' || predictionId.length > maxIdLength)
      throw new MillraceError(
        'invalid-argument',
        `prediction_id: has ${predictionId.length} characters; an answer's prediction_id has 1 to ${maxIdLength}`,
      );
    const prediction = await this.predictions.read(predictionId);
    if (prediction === undefined)
      throw new MillraceError('not-found', `no prediction ${predictionId} is in the log; it gets there within seconds`);
    const version = await this.registry.version(prediction.model, prediction.version);
    const known: Omit<TraceSources, 'audit'> = {
      prediction,
      version,
      features: await this.registry.featureService(prediction.featureService),
      run: version === undefined || version.runId === '' ? undefined : await this.registry.run(version.runId),
      ...(await this.rollouts(prediction)),
    };
    const audit = await proveEntries(this.audit, resourcesOf(known), this.publicKey);
    return composeTrace({ ...known, audit });
  }

  private async rollouts({ endpoint, version }: TraceSources['prediction']) {
    const rollouts = await this.registry.rollouts(endpoint, version);
    const digests = rollouts.map(({ approvalDigest }) => approvalDigest).filter((digest) => digest !== '');
    const approvals: Approval[] = [];
    const brokenApprovals = new Map<string, string>();
    for (const digest of digests)
      try {
        approvals.push(...(await this.approvals.find([digest])));
      } catch (error) {
        if (!(error instanceof MillraceError)) throw error;
        brokenApprovals.set(digest, error.message);
      }
    return { rollouts, approvals, brokenApprovals };
  }
}
