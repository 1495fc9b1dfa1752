import type { Approval } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import type {
  Definition,
  ModelVersion,
  Rollout,
  RunRecord,
} from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { StoredEntry } from './audit-verifier.js';

/** A row of monitoring.predictions. Times are epoch ms; lists of streams, watermarks and offsets go together by position. */
export interface LoggedPrediction {
  readonly predictionId: string;
  readonly endpoint: string;
  readonly model: string;
  readonly version: string;
  /** live | canary */
  readonly arm: string;
  readonly caller: string;
  readonly score: number;
  readonly outputs: readonly number[];
  readonly featureService: string;
  readonly featureServiceDigest: string;
  readonly asOfMs: number;
  readonly answeredMs: number;
  readonly featuresGiven: boolean;
  readonly fallback: boolean;
  /** Under way when it was answered; '' = none. */
  readonly rolloutId: string;
  readonly rolloutStep: number;
  readonly streams: readonly string[];
  readonly watermarksMs: readonly number[];
  /** Of each stream, for each partition of its raw topic: the last offset applied; -1 = none. */
  readonly offsets: readonly (readonly number[])[];
  readonly logId: string;
  readonly logSequence: number;
}

/** A feature service and what it is made of, as defined now. */
export interface FeatureDefinitions {
  readonly service: Definition;
  readonly views: readonly Definition[];
  readonly spine: Definition | undefined;
  /** What the service means now (feature-service-digest.ts); undefined = its spine is not defined any more. */
  readonly digest: string | undefined;
}

/** An audit entry and what holding it against the signed head has shown. */
export interface ProvedEntry extends StoredEntry {
  /** Why it is not under the signed head; undefined = it is. */
  readonly problem: string | undefined;
}

/** The entries that touch a chain, newest first, and the state of the log that they were read from. */
export interface AuditPart {
  readonly entries: readonly ProvedEntry[];
  /** There are older ones, which were not read. */
  readonly more: boolean;
  /** How many entries the log has, and how many the newest signed head says. */
  readonly count: number;
  readonly signedSize: number;
  /** Why the newest head's signature does not hold; undefined = it does. */
  readonly headProblem: string | undefined;
}

/** What is known behind a prediction; undefined = it is kept nowhere. */
export interface TraceSources {
  readonly prediction: LoggedPrediction;
  readonly features: FeatureDefinitions | undefined;
  readonly version: ModelVersion | undefined;
  readonly run: RunRecord | undefined;
  /** That offered the version to the endpoint, oldest first. */
  readonly rollouts: readonly Rollout[];
  readonly approvals: readonly Approval[];
  /** Why an approval cannot be read, by its digest: it was changed in the database. */
  readonly brokenApprovals: ReadonlyMap<string, string>;
  readonly audit: AuditPart;
}
