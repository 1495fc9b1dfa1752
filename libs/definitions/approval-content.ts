import { createHash } from 'node:crypto';
import { errorMessage, MillraceError } from '#libs/errors/millrace-error.js';
import { canonicalJson } from './canonical-json.js';
import type { EndpointSpec } from './definition-kinds.js';

/** A policy that asks for an approval, as it was when it asked. */
export interface ApprovalPolicy {
  readonly name: string;
  readonly roles: readonly string[];
  readonly quorum: number;
  readonly notRequester: boolean;
}

/** What is approved: nothing else than exactly this, and only for this rollout. Both ends, registry and governance, hold it against its digest. */
export interface ApprovalContent {
  /** rollout_id */
  readonly rollout: string;
  readonly endpoint: string;
  readonly model: string;
  readonly cause: string;
  /** Version that it would replace; null = nothing is live. */
  readonly baseline: string | null;
  readonly fromStep: number;
  readonly steps: EndpointSpec['rollout'];
  readonly guardrails: EndpointSpec['guardrails'];
  readonly version: {
    readonly number: string;
    readonly onnxSha256: string;
    /** Where it is served instead, as `<address>/<model>/<version>`; absent = it has a file. */
    readonly upstream?: string;
    readonly datasetSha256: string;
    readonly referenceSha256: string;
    readonly featureService: string;
    readonly featureServiceDigest: string;
    readonly runId: string;
    readonly codeCommit: string;
    readonly metrics: Readonly<Record<string, number>>;
  };
  /** Each of them has to be satisfied. At least one. */
  readonly policies: readonly ApprovalPolicy[];
  /** Callers' names: who offered it, and who asked for the run that made it. */
  readonly requesters: readonly string[];
}

/** Canonical JSON, and its SHA-256 in hexadecimal. */
export function sealApprovalContent(content: ApprovalContent): { readonly json: Buffer; readonly digest: string } {
  const json = Buffer.from(canonicalJson(content));
  return { json, digest: sha256(json) };
}

/**
 * What is approved, once its digest is found to be this one.
 * @throws MillraceError invalid-argument where the digest is of something else, or the bytes are no content
 */
export function openApprovalContent(json: Uint8Array, digest: string): ApprovalContent {
  const found = sha256(json);
  if (found !== digest)
    throw new MillraceError('invalid-argument', `approval_digest: "${digest}"; what is approved has ${found}`);
  const content = parse(json);
  const { rollout, policies, requesters } = content;
  if (typeof rollout !== 'string' || !Array.isArray(requesters) || !Array.isArray(policies) || policies.length === 0)
    throw new MillraceError('invalid-argument', 'approval_json: has no rollout, requesters or policies');
  return content;
}

function parse(json: Uint8Array): ApprovalContent {
  try {
    return JSON.parse(Buffer.from(json).toString()) as ApprovalContent;
  } catch (error) {
    throw new MillraceError('invalid-argument', `approval_json: ${errorMessage(error)}`, { cause: error });
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
