import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { ModelVersion, RunRecord } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { openApprovalContent } from '#libs/definitions/approval-content.js';
import type { EndpointSpec, PolicySpec } from '#libs/definitions/definition-kinds.js';
import { approvalNeed, type Offer, policiesAsking, refuseUnapproved } from './approval-need.js';
import type { StoredDefinition } from './plan-changes.js';

const endpoint: EndpointSpec = {
  name: 'late',
  model: 'm',
  tier: 'high',
  log: { features: true },
  rollout: [{ kind: 'shadow', percent: 0, predictions: 10 }],
  guardrails: { alpha: 0.05 },
};
const candidate = ModelVersion.fromPartial({
  model: 'm',
  version: '2',
  onnxSha256: 'onnx',
  datasetSha256: 'data',
  runId: 'run-1',
  metrics: { 'validate.auc': 0.85, '__proto__.polluted': 1 },
});

type Approvals = NonNullable<PolicySpec['approvals']>;
const policy = (
  name: string,
  approvals: Partial<Approvals> | undefined,
  deleted = false,
): [string, StoredDefinition] => {
  const asked = { when: 'true', roles: ['risk'], quorum: 1, notRequester: false, ...approvals };
  const spec: PolicySpec = { name, access: [], ...(approvals === undefined ? {} : { approvals: asked }) };
  return [`Policy/${name}`, { kind: 'Policy', name, generation: 1, digest: '', spec, deleted, changedMs: 0 }];
};
const asking = (when: string, of: EndpointSpec = endpoint) =>
  policiesAsking(new Map([policy('p', { when })]), of, candidate).length === 1;

const offer: Offer = {
  rolloutId: 'r-1',
  endpoint,
  candidate,
  baseline: undefined,
  fromStep: 0,
  cause: 'better',
  offeredBy: 'mesh',
  run: RunRecord.fromPartial({ runId: 'run-1', params: { requestedBy: 'ann' } }),
};

describe('a policy asks', () => {
  it.each([
    ['true', true],
    ['endpoint.tier == "high"', true],
    ['endpoint.tier == "low"', false],
    ['endpoint.name.startsWith("late") && endpoint.model == "m"', true],
    ['version.metrics.validate.auc < 0.9', true],
    ['version.metrics.validate.auc < 0.8', false],
    ['version.number > 2', false],
    ['version.metrics.nothing > 0.1', true], // it cannot be told
  ])('where %s: %s', (when, expected) => expect(asking(when)).toBe(expected));

  it('not where it asks of a tier and the endpoint has none, where it was deleted, or has no approvals', () => {
    const { tier: _, ...untiered } = endpoint;
    expect(asking('endpoint.tier == "high"', untiered)).toBe(false);
    expect(policiesAsking(new Map([policy('p', {}, true)]), endpoint, candidate)).toEqual([]);
    expect(policiesAsking(new Map([policy('p', undefined)]), endpoint, candidate)).toEqual([]);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});

describe('what is to be approved', () => {
  const definitions = new Map([
    policy('four-eyes', { notRequester: true, roles: ['risk', 'lead'] }),
    policy('two', { quorum: 2 }),
    policy('other', { when: 'false', roles: ['nobody'], quorum: 9 }),
  ]);

  it('is nothing where no policy asks', () => {
    expect(approvalNeed(new Map([policy('p', { when: 'false' })]), offer)).toBeUndefined();
  });

  it('is all of the offer under one digest, with each policy whole and the sum of them as the rule', () => {
    const { digest, json, rule } = approvalNeed(definitions, offer)!;
    expect(digest).toBe(createHash('sha256').update(json).digest('hex'));
    expect(rule).toEqual({
      policies: ['four-eyes', 'two'],
      roles: ['risk', 'lead'],
      quorum: 2,
      notRequester: true,
    });
    expect(openApprovalContent(json, digest)).toMatchObject({
      rollout: 'r-1',
      endpoint: 'late',
      baseline: null,
      steps: endpoint.rollout,
      version: { number: '2', onnxSha256: 'onnx', datasetSha256: 'data', runId: 'run-1' },
      policies: [
        { name: 'four-eyes', roles: ['risk', 'lead'], quorum: 1, notRequester: true },
        { name: 'two', roles: ['risk'], quorum: 2, notRequester: false },
      ],
      requesters: ['mesh', 'ann'],
    });
  });

  it('is something else when anything of it is', () => {
    const digestOf = (change: Partial<Offer>) => approvalNeed(definitions, { ...offer, ...change })!.digest;
    const others: Partial<Offer>[] = [
      { rolloutId: 'r-2' },
      { fromStep: 1 },
      { offeredBy: 'bo' },
      { run: undefined },
      { baseline: candidate },
      { candidate: { ...candidate, onnxSha256: 'other' } },
      { candidate: { ...candidate, metrics: {} } },
      { endpoint: { ...endpoint, guardrails: { alpha: 0.5 } } },
      { endpoint: { ...endpoint, rollout: [] } },
    ];
    expect(new Set([{}, ...others].map(digestOf)).size).toBe(others.length + 1);
    expect(digestOf({})).toBe(digestOf({}));
    const { json, digest } = approvalNeed(definitions, offer)!;
    expect(() => openApprovalContent(Buffer.from(`${json.toString()} `), digest)).toThrow(
      /what is approved has [0-9a-f]{64}/,
    );
  });

  it('cannot be passed by setting it live, and the refusal says what to do', () => {
    expect(() => refuseUnapproved(definitions, endpoint, candidate)).toThrow(
      /policy four-eyes, two asks for an approval; .*millrace rollout start late --version 2/,
    );
    refuseUnapproved(new Map(), endpoint, candidate);
  });
});
