import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ApprovalVote } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import type { ApprovalContent, ApprovalPolicy } from '#libs/definitions/approval-content.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { castVote, type KeptApproval, missingVotes } from './decide-approval.js';

const policy = (change: Partial<ApprovalPolicy> = {}): ApprovalPolicy => ({
  name: 'p',
  roles: ['risk'],
  quorum: 1,
  notRequester: true,
  ...change,
});
function asked(policies: readonly ApprovalPolicy[], requesters: readonly string[] = ['mesh', 'ann']): KeptApproval {
  const content = { endpoint: 'late', version: { number: '2' }, policies, requesters } as unknown as ApprovalContent;
  const rest = { contentJson: Buffer.alloc(0), requestedMs: 1, decidedMs: 0, votes: [] };
  return { digest: 'd'.repeat(64), subject: 'rollouts/r', content, state: 'waiting', ...rest };
}
const by = (voter: string, roles: readonly string[] = ['risk'], change: Partial<ApprovalVote> = {}): ApprovalVote =>
  ApprovalVote.fromPartial({ voter, roles: [...roles], approve: true, comment: '', atMs: 5, ...change });

/** What comes of a vote: the state, or the code that it is refused with. */
function outcome(approval: KeptApproval, vote: ApprovalVote): string {
  try {
    return castVote(approval, vote).state;
  } catch (error) {
    if (error instanceof MillraceError) return error.code;
    throw error;
  }
}

describe('who may vote', () => {
  it.each([
    ['somebody with the role', by('bo'), 'approved'],
    ['somebody with the role among others', by('bo', ['reader', 'risk']), 'approved'],
    ['somebody without a role', by('bo', []), 'permission-denied'],
    ['somebody with another role', by('bo', ['lead']), 'permission-denied'],
    ['an admin without the role', by('bo', ['admin']), 'permission-denied'],
    ['a service', by('trainer', ['service']), 'permission-denied'],
    ['who offered it', by('mesh'), 'permission-denied'],
    ['who asked for the run that the trainer offered', by('ann'), 'permission-denied'],
    ['who asked for the run, to reject', by('ann', ['risk'], { approve: false }), 'permission-denied'],
    ['somebody without the role, to reject', by('bo', ['lead'], { approve: false }), 'permission-denied'],
    ['somebody with the role, to reject', by('bo', ['risk'], { approve: false }), 'rejected'],
    ['somebody with a comment of the longest', by('bo', ['risk'], { comment: 'x'.repeat(2_000) }), 'approved'],
    ['somebody with a longer one', by('bo', ['risk'], { comment: 'x'.repeat(2_001) }), 'invalid-argument'],
    ['somebody with what is no text', by('bo', ['risk'], { comment: 'a\0' }), 'invalid-argument'],
  ])('%s', (_, vote, expected) => expect(outcome(asked([policy()]), vote)).toBe(expected));

  it('who asked, where the policy does not mind', () => {
    expect(outcome(asked([policy({ notRequester: false })]), by('ann'))).toBe('approved');
    expect(outcome(asked([policy({ notRequester: false }), policy({ name: 'q' })]), by('ann'))).toBe(
      'permission-denied',
    );
  });

  it('nobody twice, however they vote, and nobody once it is decided or withdrawn', () => {
    const once = castVote(asked([policy({ quorum: 2 })]), by('bo'));
    expect(once.state).toBe('waiting');
    for (const approve of [true, false]) expect(outcome(once, by('bo', ['risk'], { approve }))).toBe('already-exists');
    for (const state of ['approved', 'rejected', 'withdrawn'] as const)
      expect(outcome({ ...once, state }, by('cy'))).toBe('failed-precondition');
  });

  it('and the refusal says what would be right', () => {
    expect(() => castVote(asked([policy()]), by('bo', ['lead']))).toThrow(
      'bo may not vote on approval dddddddddddd of late version 2: one of the roles risk is needed, and it has lead',
    );
    expect(() => castVote(asked([policy()]), by('ann'))).toThrow(/it was requested by mesh for ann, and a policy asks/);
  });
});

describe('several policies', () => {
  const both = asked([policy(), policy({ name: 'q', roles: ['lead'], quorum: 2 })]);

  it('are satisfied each by its own roles and quorum', () => {
    const afterRisk = castVote(both, by('bo'));
    expect(missingVotes(afterRisk)).toEqual(['2 of lead (policy q)']);
    const afterLead = castVote(afterRisk, by('cy', ['lead']));
    expect(afterLead.state).toBe('waiting');
    expect(castVote(afterLead, by('di', ['risk'])).state).toBe('waiting');
    expect(castVote(afterLead, by('di', ['lead'])).state).toBe('approved');
  });

  it('may both be satisfied by one who has both roles', () => {
    expect(castVote(castVote(both, by('bo', ['risk', 'lead'])), by('cy', ['lead'])).state).toBe('approved');
  });
});

it('whoever votes, it is approved only by as many different people of the roles as every policy says, none of whom asked for it', () => {
  const roles = fc.subarray(['risk', 'lead', 'admin']);
  const policies = fc.array(
    fc.record({
      name: fc.constantFrom('p', 'q'),
      roles: fc.subarray(['risk', 'lead'], { minLength: 1 }),
      quorum: fc.integer({ min: 1, max: 3 }),
      notRequester: fc.boolean(),
    }),
    { minLength: 1, maxLength: 3 },
  );
  const votes = fc.array(
    fc.record({
      voter: fc.constantFrom('ann', 'bo', 'cy', 'di', 'mesh'),
      roles,
      approve: fc.integer({ min: 0, max: 19 }),
    }),
    { maxLength: 12 },
  );
  let approvals = 0;
  fc.assert(
    fc.property(policies, votes, (rules, drawn) => {
      let approval = asked(rules);
      for (const { voter, roles: had, approve } of drawn) {
        const vote = by(voter, had, { approve: approve > 0 });
        const before = approval;
        if (['waiting', 'approved', 'rejected'].includes(outcome(before, vote))) approval = castVote(before, vote);
        else expect(approval).toBe(before);
      }
      const voters = approval.votes.map(({ voter }) => voter);
      expect(new Set(voters).size).toBe(voters.length);
      if (rules.some(({ notRequester }) => notRequester)) expect(voters).not.toContain('ann');
      const agreed = rules.every(
        (rule) =>
          approval.votes.filter((vote) => vote.approve && vote.roles.some((role) => rule.roles.includes(role)))
            .length >= rule.quorum,
      );
      const rejections = approval.votes.filter(({ approve }) => !approve).length;
      expect(approval.state).toBe(rejections > 0 ? 'rejected' : agreed ? 'approved' : 'waiting');
      expect(rejections).toBeLessThanOrEqual(1);
      expect(approval.decidedMs > 0).toBe(approval.state !== 'waiting');
      if (approval.state === 'approved') approvals += 1;
    }),
    { numRuns: 2_000, seed: 20_010_411 },
  );
  expect(approvals).toBeGreaterThan(100); // the property says something
});
