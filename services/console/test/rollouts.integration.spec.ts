import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  type GetJudgementsRequest,
  GetJudgementsResponse,
} from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import {
  type GetRolloutRequest,
  ListRolloutsResponse,
  type MoveRolloutRequest,
  Rollout,
} from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { type Console, guestToken, openConsole } from './browser.js';
import { expectSound, lookOf, looks, tabTo } from './looks.js';
import { aborted, canary, judgements, rolloutOf } from './recorded-rollout.js';

let console_: Console;
let moved: MoveRolloutRequest[] = [];
let refuses = false;
let now: Rollout = canary;

beforeAll(async () => {
  const judged = ({ rolloutId, limit }: GetJudgementsRequest) =>
    GetJudgementsResponse.fromPartial({
      judgements: rolloutId === canary.rolloutId ? judgements.slice(0, limit) : [],
    });
  const move = (request: MoveRolloutRequest) => {
    if (refuses) throw new MillraceError('permission-denied', 'test may not promote rollouts/r-canary');
    moved.push(request);
    now = Rollout.fromPartial({ ...canary, state: 'paused', pausedFrom: 'canary' });
    return now;
  };
  console_ = await openConsole({
    monitor: { getJudgements: judged },
    registry: {
      listRollouts: () => ListRolloutsResponse.fromPartial({ rollouts: [aborted, now] }),
      getRollout: ({ rolloutId }: GetRolloutRequest) => (rolloutId === canary.rolloutId ? now : rolloutOf(rolloutId)),
      moveRollout: move,
    },
  });
}, 60_000);
afterAll(() => console_?.close(), 30_000);
beforeEach(() => {
  [moved, refuses, now] = [[], false, canary];
});

describe('a rollout', () => {
  it.each(looks)(
    'has its steps, moves and sequential tests against their bounds (%s, %i x %i)',
    async (scheme, width, height) => {
      const { page, complaints } = await console_.visit('#/rollouts?id=r-canary', lookOf(scheme, width, height));
      await page.getByRole('heading', { name: /late-arrival: version 3 of late/ }).waitFor();
      const steps = page.locator('ol.steps li');
      await steps.nth(3).waitFor();
      expect(await steps.locator('.standing').allTextContents()).toEqual(['done', 'now', 'to come', 'to come']);
      const logloss = page.locator('[data-guardrail=logloss]');
      expect(await logloss.locator('[data-band=harm]').getAttribute('data-points')).toBe('40');
      // Judgements without a harm are no points.
      expect(await page.locator('[data-guardrail=errors] [data-band=harm]').getAttribute('data-points')).toBe('35');
      expect(await logloss.locator('.mark').allTextContents()).toEqual([
        'fails when surely above 0',
        'passes when surely below 0.05',
      ]);
      const zero = (await logloss.locator('.mark.bad line').getAttribute('y1'))!;
      const margin = (await logloss.locator('.mark.good line').getAttribute('y1'))!;
      expect(Number(margin)).toBeLessThan(Number(zero));
      await logloss.getByText('it has to be surely below 0.05').waitFor();
      await page.getByText('78 of 100 predictions by the candidate').waitFor();
      await page.getByRole('cell', { name: '203 predictions of 200 in this step' }).waitFor();
      await expectSound(page, complaints);
    },
    60_000,
  );

  it('is paused with a cause, by keyboard alone; Escape changes nothing', async () => {
    const { page, complaints } = await console_.visit('#/rollouts?id=r-canary');
    await page.getByRole('button', { name: 'Pause' }).waitFor();
    await tabTo(page, 'Pause');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Escape');
    await page.locator('dialog').waitFor({ state: 'detached' });
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Pause');
    expect(moved).toEqual([]);
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name: 'Pause version 3 on late-arrival?' }).waitFor();
    // Without a cause nothing is sent.
    await tabTo(page, 'Pause');
    await page.keyboard.press('Enter');
    await page.getByLabel('Cause').focus();
    await page.keyboard.type('looking at the labels');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByText('paused here').waitFor();
    expect(moved).toEqual([{ rolloutId: 'r-canary', action: 'pause', cause: 'looking at the labels' }]);
    expect(await page.getByRole('button', { name: /^(Promote|Pause|Resume|Abort)$/ }).allTextContents()).toEqual([
      'Resume',
      'Abort',
    ]);
    expect(complaints).toEqual([]);
  }, 60_000);

  it('says that somebody may not move it, in the words of who refused', async () => {
    refuses = true;
    const { page } = await console_.visit('#/rollouts?id=r-canary');
    await page.getByRole('button', { name: 'Promote' }).click();
    await page.getByLabel('Cause').fill('it looks good');
    await page.getByRole('dialog').getByRole('button', { name: 'Promote' }).click();
    const alert = page.getByRole('dialog').getByRole('alert');
    await alert.getByText('You may not do this').waitFor();
    expect(await alert.getAttribute('data-code')).toBe('permission-denied');
    await alert.getByText('test may not promote rollouts/r-canary').waitFor();
  }, 60_000);

  it('that has ended has no buttons, and was stopped where it stood', async () => {
    const { page, complaints } = await console_.visit('#/rollouts');
    await page.getByRole('link', { name: 'late-arrival version 4' }).click();
    await page.getByText('stopped here').waitFor();
    await page.getByText('Not judged yet').waitFor();
    expect(await page.getByRole('button', { name: /^(Promote|Pause|Resume|Abort)$/ }).count()).toBe(0);
    expect(complaints).toEqual([]);
  }, 60_000);

  it.each([
    ['r-pending', ['now', 'to come', 'to come', 'to come', 'to come'], ['Abort']],
    ['r-live', ['skipped', 'done', 'done', 'done'], []],
  ] as const)(
    '%s shows how it came where it is, and only what can be done there',
    async (id, standings, actions) => {
      const { page, complaints } = await console_.visit(`#/rollouts?id=${id}`);
      await page.locator('ol.steps li').first().waitFor();
      expect(await page.locator('ol.steps .standing').allTextContents()).toEqual(standings);
      expect(await page.getByRole('button', { name: /^(Promote|Pause|Resume|Abort)$/ }).allTextContents()).toEqual(
        actions,
      );
      const approval = page.getByRole('link', { name: 'ab12ab12ab12' });
      expect(await approval.count()).toBe(id === 'r-pending' ? 1 : 0);
      expect(complaints).toEqual([]);
    },
    60_000,
  );

  it('is not shown to somebody without a role', async () => {
    const { page } = await console_.visit('#/rollouts?id=r-canary', { token: guestToken });
    await page.getByText('You may not see this').waitFor();
  }, 60_000);
});
