import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  Approval,
  type DecideApprovalRequest,
  ListApprovalsResponse,
} from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { type Console, openConsole } from './browser.js';
import { expectSound, lookOf, looks, tabTo } from './looks.js';

const content = Buffer.from('{"endpoint":"late-arrival","version":{"version":"3","onnxSha256":"ab12"}}');
const digest = createHash('sha256').update(content).digest('hex');
const vote = { voter: 'ann', roles: ['risk'], approve: true, comment: 'AUC is up', atMs: Date.now() - 60_000 };
const waiting = Approval.fromPartial({
  digest,
  subject: 'rollouts/r-canary',
  policy: 'two-eyes',
  requestedBy: 'trainer',
  requestedMs: Date.now() - 120_000,
  state: 'waiting',
  quorum: 2,
  votes: [vote],
  contentJson: content,
  roles: ['risk'],
  notRequester: true,
});
const old = Approval.fromPartial({
  ...waiting,
  digest: 'cd34'.repeat(16),
  subject: 'rollouts/r-old',
  state: 'rejected',
  decidedMs: Date.now(),
});
let console_: Console;
let decided: DecideApprovalRequest[] = [];
let now = [waiting, old];
let refuses = false;

beforeAll(async () => {
  const decide = (request: DecideApprovalRequest) => {
    if (refuses) throw new MillraceError('permission-denied', 'test may not approve what test asked for');
    decided.push(request);
    now = [Approval.fromPartial({ ...waiting, state: 'approved', votes: [vote, { ...vote, voter: 'test' }] }), old];
    return now[0]!;
  };
  console_ = await openConsole({
    governance: {
      listApprovals: () => ListApprovalsResponse.fromPartial({ approvals: now }),
      decideApproval: decide,
    },
  });
}, 60_000);
afterAll(() => console_?.close(), 30_000);
beforeEach(() => {
  [decided, now, refuses] = [[], [waiting, old], false];
});

describe('approvals', () => {
  it.each(looks)(
    'wait and are decided, with the content that the digest is of (%s, %i x %i)',
    async (scheme, width, height) => {
      const { page, complaints } = await console_.visit('#/approvals', lookOf(scheme, width, height));
      const waits = page.getByRole('region', { name: 'Waiting' });
      await waits.getByText('1 of 2 who have the role risk, and not who asked for it').waitFor();
      await waits.getByText('"onnxSha256": "ab12"').waitFor();
      await waits.getByText('is of the content below').waitFor();
      await waits.getByText('AUC is up').waitFor();
      const done = page.getByRole('region', { name: 'Decided' });
      await done.getByText('rejected', { exact: true }).waitFor();
      // Its digest is of something else than what is shown.
      await done.getByText('is not of the content below').waitFor();
      expect(await done.getByRole('button').count()).toBe(0);
      await expectSound(page, complaints);
    },
    60_000,
  );

  it('are given with a comment, by keyboard, for the whole digest', async () => {
    const { page, complaints } = await console_.visit(`#/approvals?digest=${digest}`);
    await page.getByRole('button', { name: 'Approve' }).waitFor();
    await tabTo(page, 'Approve');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.type('looks right');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByText('2 of 2 who have the role risk').waitFor();
    expect(decided).toEqual([{ digest, approve: true, comment: 'looks right' }]);
    expect(await page.getByRole('button', { name: 'Approve' }).count()).toBe(0);
    expect(complaints).toEqual([]);
  }, 60_000);

  it('are rejected with a comment only', async () => {
    const { page } = await console_.visit('#/approvals');
    await page.getByRole('button', { name: 'Reject' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Reject' }).click();
    expect(decided).toEqual([]);
    await dialog.getByLabel('Comment').fill('one week of data is too little');
    await dialog.getByRole('button', { name: 'Reject' }).click();
    await dialog.waitFor({ state: 'detached' });
    expect(decided).toEqual([{ digest, approve: false, comment: 'one week of data is too little' }]);
  }, 60_000);

  it('that somebody may not give say so', async () => {
    refuses = true;
    const { page } = await console_.visit('#/approvals');
    await page.getByRole('button', { name: 'Approve' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Approve' }).click();
    await page.getByText('You may not do this').waitFor();
    await page.getByText('test may not approve what test asked for').waitFor();
  }, 60_000);
});
