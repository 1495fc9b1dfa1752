import type { ApprovalRule, ModelVersion, RunRecord } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { type ApprovalPolicy, sealApprovalContent } from '#libs/definitions/approval-content.js';
import type { EndpointSpec, PolicySpec } from '#libs/definitions/definition-kinds.js';
import { approvalConditions, type ConditionValues } from '#libs/expressions/conditions.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { servedFrom } from './upstream.js';
import type { StoredDefinition } from './plan-changes.js';

type Definitions = ReadonlyMap<string, StoredDefinition>;

/** What an approval has to be for, and who has to agree. */
export interface ApprovalNeed {
  readonly digest: string;
  readonly json: Buffer;
  readonly rule: ApprovalRule;
}

export interface Offer {
  readonly rolloutId: string;
  readonly endpoint: EndpointSpec;
  readonly candidate: ModelVersion;
  readonly baseline: ModelVersion | undefined;
  readonly fromStep: number;
  readonly cause: string;
  readonly offeredBy: string;
  /** That made the candidate, where there is a record of it. */
  readonly run: RunRecord | undefined;
}

/** The policies that ask for an approval before this version goes to the endpoint. A condition that cannot be told, for it reads what is not there, counts as true. */
export function policiesAsking(
  definitions: Definitions,
  endpoint: EndpointSpec,
  version: ModelVersion,
): ApprovalPolicy[] {
  return [...definitions.values()].flatMap(({ kind, deleted, spec }) => {
    if (kind !== 'Policy' || deleted) return [];
    const { name, approvals } = spec as PolicySpec;
    if (approvals === undefined || !holds(approvals.when, endpoint, version)) return [];
    return [{ name, roles: approvals.roles, quorum: approvals.quorum, notRequester: approvals.notRequester }];
  });
}

/** Undefined = no policy asks. The rule is the sum of those that do; the content has each of them whole, and each has to be satisfied. */
export function approvalNeed(definitions: Definitions, offer: Offer): ApprovalNeed | undefined {
  const { endpoint, candidate, baseline, run } = offer;
  const policies = policiesAsking(definitions, endpoint, candidate);
  if (policies.length === 0) return undefined;
  const { onnxSha256, datasetSha256, referenceSha256, runId, codeCommit, metrics } = candidate;
  const requestedBy = run?.params['requestedBy'];
  const { json, digest } = sealApprovalContent({
    rollout: offer.rolloutId,
    endpoint: endpoint.name,
    model: endpoint.model,
    cause: offer.cause,
    baseline: baseline?.version ?? null,
    fromStep: offer.fromStep,
    steps: endpoint.rollout,
    guardrails: endpoint.guardrails,
    version: {
      number: candidate.version,
      onnxSha256,
      ...(candidate.upstream === undefined ? {} : { upstream: servedFrom(candidate) }),
      datasetSha256,
      referenceSha256,
      runId,
      codeCommit,
      metrics,
      featureService: candidate.featureService,
      featureServiceDigest: candidate.featureServiceDigest,
    },
    policies,
    requesters: [...new Set([offer.offeredBy, ...(requestedBy === undefined ? [] : [requestedBy])])],
  });
  return { digest, json, rule: sumOf(policies) };
}

/** @throws MillraceError failed-precondition where a version would go live unseen by those whom a policy asks */
export function refuseUnapproved(definitions: Definitions, endpoint: EndpointSpec, version: ModelVersion): void {
  const names = policiesAsking(definitions, endpoint, version).map(({ name }) => name);
  if (names.length === 0) return;
  throw new MillraceError(
    'failed-precondition',
    `version ${version.version} cannot be set live on ${endpoint.name}: policy ${names.join(', ')} asks for an approval; offer it with StartRollout, which waits for one (millrace rollout start ${endpoint.name} --version ${version.version})`,
  );
}

function sumOf(policies: readonly ApprovalPolicy[]): ApprovalRule {
  return {
    policies: policies.map(({ name }) => name),
    roles: [...new Set(policies.flatMap(({ roles }) => roles))],
    quorum: Math.max(...policies.map(({ quorum }) => quorum)),
    notRequester: policies.some(({ notRequester }) => notRequester),
  };
}

function holds(when: string, { name, model, tier = '' }: EndpointSpec, version: ModelVersion): boolean {
  try {
    const values = { number: Number(version.version), metrics: nested(version.metrics) };
    return approvalConditions.evaluate(when, { endpoint: { name, model, tier }, version: values });
  } catch {
    return true; // asking in vain costs a vote, not asking may cost more
  }
}

/** `{'a.b': 1}` as `{a: {b: 1}}`; without prototypes, for names of metrics come from scripts. */
function nested(metrics: Readonly<Record<string, number>>): ConditionValues {
  const root = Object.create(null) as Record<string, unknown>;
  for (const [name, value] of Object.entries(metrics)) {
    const path = name.split('.');
    const leaf = path.pop()!;
    const group = path.reduce((node, part) => (node[part] ??= Object.create(null)) as Record<string, unknown>, root);
    group[leaf] = value;
  }
  return root as unknown as ConditionValues;
}
