import { describe, expect, it } from '@jest/globals';
import { AccessGuard, type Denial } from './access-guard.js';
import { Authorizer, type Decision } from './authorizer.js';
import type { Caller } from './caller.js';
import { TokenAuthenticator } from './token-authenticator.js';

const tokens = ['a-token-of-the-application', 'a-token-of-a-stranger'];
class CountingAuthorizer extends Authorizer {
  decisions = 0;
  override decide(...asked: Parameters<Authorizer['decide']>): Decision {
    this.decisions += 1;
    return super.decide(...asked);
  }
}
function guarded() {
  const authorizer = new CountingAuthorizer();
  const denials: Denial[] = [];
  const authenticator = new TokenAuthenticator(`app=${tokens[0]},stranger=${tokens[1]}`, 'app=app+reader');
  const guard = new AccessGuard(authenticator, authorizer, (denial) => denials.push(denial));
  const [app, stranger] = tokens.map((token) => guard.authenticate(`Bearer ${token}`) as Caller);
  return { authorizer, denials, guard, app: app!, stranger: stranger! };
}

describe('a caller', () => {
  it('has the roles that are set for it, and none where none are', () => {
    const { app, stranger } = guarded();
    expect(app).toEqual({ name: 'app', roles: ['app', 'reader'] });
    expect(stranger).toEqual({ name: 'stranger', roles: [] });
  });

  it.each(['app', 'app=', 'app=Admin', 'app=a++b', '=admin', ''])('is not given roles by "%s"', (roles) => {
    expect(() => new TokenAuthenticator(`app=${tokens[0]}`, roles)).toThrow(/MILLRACE_ROLES: .*must be caller=role/);
  });

  it('that may not is told who, what, where and which roles would do, and every refusal is told on', () => {
    const { guard, denials, stranger } = guarded();
    const call = () => guard.check(stranger, '/x/Infer', 'predict', 'endpoints/late');
    const message =
      'stranger may not predict endpoints/late: one of the roles admin, service is needed, and it has none';
    expect(call).toThrow(expect.objectContaining({ code: 'permission-denied', message }));
    expect(call).toThrow();
    const denial = { caller: stranger, method: '/x/Infer', action: 'predict', resource: 'endpoints/late' };
    expect(denials).toMatchObject([denial, denial]);
  });
});

describe('a decision', () => {
  const policy = { name: 'p', access: [{ role: 'app', may: ['predict' as const], on: ['endpoints/*'] }] };

  it('is made once, until a policy changes', () => {
    const { guard, authorizer, app } = guarded();
    const call = () => guard.check(app, '/x/Infer', 'predict', 'endpoints/late');
    expect(call).toThrow();
    authorizer.setPolicy('p', policy);
    for (let i = 0; i < 3; i += 1) expect(call).not.toThrow();
    expect(authorizer.decisions).toBe(2);
    authorizer.setPolicy('p', undefined);
    expect(call).toThrow();
  });

  it('is about roles, not about names: two callers of one name may have others', () => {
    const { guard, authorizer } = guarded();
    authorizer.setPolicy('p', policy);
    const call = (roles: string[]) => () =>
      guard.check({ name: 'ada', roles }, '/x/Infer', 'predict', 'endpoints/late');
    expect(call(['app'])).not.toThrow();
    expect(call(['other'])).toThrow();
    expect(call(['admin'])).not.toThrow();
    expect(call([])).toThrow();
  });

  it('is kept for no more than 10,000 questions, each of bounded length', () => {
    const { guard, authorizer, app, denials } = guarded();
    authorizer.setPolicy('p', policy);
    for (let i = 0; i <= 10_000; i += 1) guard.check(app, '/x/Infer', 'predict', `endpoints/${i}`);
    guard.check(app, '/x/Infer', 'predict', 'endpoints/10000');
    expect(authorizer.decisions).toBe(10_001);
    guard.check(app, '/x/Infer', 'predict', 'endpoints/0');
    expect(authorizer.decisions).toBe(10_002);
    expect(() => guard.check(app, '/x/Infer', 'predict', `models/${'x'.repeat(100_000)}`)).toThrow();
    expect(denials[0]?.resource).toHaveLength(200);
  });
});
