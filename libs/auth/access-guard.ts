import type { AccessAction } from '#libs/definitions/definition-kinds.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { Authorizer, Decision } from './authorizer.js';
import type { Caller } from './caller.js';
import type { TokenAuthenticator } from './token-authenticator.js';

/** A call that was refused. */
export interface Denial {
  readonly caller: Caller;
  readonly action: AccessAction;
  readonly resource: string;
  /** gRPC method path or HTTP route. */
  readonly method: string;
  readonly reason: string;
}

const maxCached = 10_000;
/** Names of definitions have at most 63 characters; what a caller makes longer is neither kept nor repeated. */
const maxResourceLength = 200;

/** The one guard of gRPC and HTTP: who is calling, and may they. */
export class AccessGuard {
  private readonly decisions = new Map<string, Decision>();

  /** @param onDenied hears of every refusal; must neither throw nor wait */
  constructor(
    private readonly authenticator: TokenAuthenticator,
    private readonly authorizer: Authorizer,
    private readonly onDenied: (denial: Denial) => void,
  ) {
    authorizer.onChange(() => this.decisions.clear());
  }

  /** At once, but for a JWT that has to be verified. @throws MillraceError unauthenticated, unavailable; both also by the promise */
  authenticate(authorization: string | undefined): Caller | Promise<Caller> {
    return this.authenticator.authenticate(authorization);
  }

  /** @throws MillraceError permission-denied, which names caller, action, resource and the roles that would do */
  check(caller: Caller, method: string, action: AccessAction, asked: string): void {
    const resource = asked.slice(0, maxResourceLength);
    // Roles alone decide: two callers of one name may have others. Neither a role nor an action holds a line feed: no two questions share a key.
    const key = `${caller.roles.join()}\n${action}\n${resource}`;
    const decision = this.decisions.get(key) ?? this.decide(key, caller, action, resource);
    if (decision.allowed) return;
    this.onDenied({ caller, action, resource, method, reason: decision.reason });
    throw new MillraceError(
      'permission-denied',
      `${caller.name} may not ${action} ${resource}: ${decision.reason}, and it has ${caller.roles.join(', ') || 'none'}`,
    );
  }

  private decide(key: string, caller: Caller, action: AccessAction, resource: string): Decision {
    const decision = this.authorizer.decide(caller.roles, action, resource);
    if (this.decisions.size >= maxCached) this.decisions.clear();
    this.decisions.set(key, decision);
    return decision;
  }
}
