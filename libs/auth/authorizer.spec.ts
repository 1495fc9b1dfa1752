import { describe, expect, it } from '@jest/globals';
import type { AccessAction, PolicySpec } from '#libs/definitions/definition-kinds.js';
import { Authorizer } from './authorizer.js';

const serving: PolicySpec = {
  name: 'serving',
  access: [
    { role: 'app', may: ['predict', 'read'], on: ['endpoints/late-*'] },
    { role: 'analyst', may: ['read'], on: ['*/*'] },
    { role: 'loader', may: ['publish'], on: ['streams/*'] },
  ],
};
const authorizer = new Authorizer();
authorizer.setPolicy('serving', serving);
const may = (role: string, action: AccessAction, resource: string) =>
  authorizer.decide([role], action, resource).allowed;

describe('a policy', () => {
  it.each([
    ['app', 'predict', 'endpoints/late-arrival', true],
    ['app', 'predict', 'endpoints/late-', true],
    ['app', 'predict', 'endpoints/fare', false],
    ['app', 'predict', 'endpoints/too-late-arrival', false],
    ['app', 'promote', 'endpoints/late-arrival', false],
    ['app', 'predict', 'models/late-arrival', false],
    ['app', 'predict', 'endpoints/*', false], // all of them, of which it may some
    ['analyst', 'read', 'audit/log', true],
    ['analyst', 'publish', 'streams/departures', false],
    ['loader', 'publish', 'streams/*', true],
    ['loader', 'publish', 'streams/a/../b', false],
    ['nobody', 'read', 'endpoints/late-arrival', false],
  ] as const)('role %s, %s %s: %s', (role, action, resource, allowed) => {
    expect(may(role, action, resource)).toBe(allowed);
  });

  it('is named by what it allows, and its roles by what is refused', () => {
    expect(authorizer.decide(['x', 'app'], 'read', 'endpoints/late-arrival').reason).toBe(
      'policy serving: app may read endpoints/late-*',
    );
    expect(authorizer.decide([], 'read', 'endpoints/late-arrival').reason).toBe(
      'one of the roles analyst, app, admin, service is needed',
    );
  });

  it('that asks for approvals lets those whom it asks see and decide them, and nothing else', () => {
    const own = new Authorizer();
    const approvals = { when: 'true', roles: ['risk'], quorum: 1, notRequester: true };
    own.setPolicy('four-eyes', { name: 'four-eyes', access: [], approvals });
    const can = (role: string, action: AccessAction, resource: string) => own.decide([role], action, resource).allowed;
    expect(can('risk', 'approve', 'approvals/0123456789ab')).toBe(true);
    expect(can('risk', 'read', 'approvals/*')).toBe(true);
    expect(can('risk', 'promote', 'endpoints/late-arrival')).toBe(false);
    expect(can('analyst', 'approve', 'approvals/0123456789ab')).toBe(false);
  });

  it('holds until it is deleted, and tells who listens of each change', () => {
    const own = new Authorizer();
    let changes = 0;
    own.onChange(() => (changes += 1));
    const read = () => own.decide(['analyst'], 'read', 'audit/log').allowed;
    expect(read()).toBe(false);
    own.setPolicy('serving', serving);
    expect(read()).toBe(true);
    own.setPolicy('serving', undefined);
    expect(read()).toBe(false);
    expect(changes).toBe(2);
  });
});

it('without any policy admin and service may everything, and nobody else anything', () => {
  const empty = new Authorizer();
  for (const role of ['admin', 'service']) expect(empty.decide([role], 'administer', 'mesh/x').allowed).toBe(true);
  for (const roles of [[], ['administrator'], ['']]) expect(empty.decide(roles, 'read', 'mesh/x').allowed).toBe(false);
});
