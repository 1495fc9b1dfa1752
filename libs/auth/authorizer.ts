import type { AccessAction, PolicySpec } from '#libs/definitions/definition-kinds.js';

export interface Decision {
  readonly allowed: boolean;
  /** The rule that decided; of a refusal, the roles that would do. */
  readonly reason: string;
}

/** What needs no policy: people who run the mesh, and its own services. */
export const unlimitedRoles: readonly string[] = ['admin', 'service'];

interface Grant {
  readonly policy: string;
  readonly role: string;
  readonly action: AccessAction;
  readonly pattern: string;
  readonly matches: RegExp;
}

/** Who may do what: nothing that no policy says is allowed, except to `admin` and `service`. */
export class Authorizer {
  private readonly policies = new Map<string, PolicySpec>();
  private grants: readonly Grant[] = [];
  private readonly listeners: (() => void)[] = [];

  /** @param spec undefined = the policy was deleted */
  setPolicy(name: string, spec: PolicySpec | undefined): void {
    if (spec === undefined) this.policies.delete(name);
    else this.policies.set(name, spec);
    this.grants = [...this.policies.values()].flatMap(grantsOf);
    for (const listener of this.listeners) listener();
  }

  /** Those that are known now. */
  get known(): readonly PolicySpec[] {
    return [...this.policies.values()];
  }

  /** Calls `listener` after each change: what was decided before no longer holds. */
  onChange(listener: () => void): void {
    this.listeners.push(listener);
  }

  /** @param resource `<kinds>/<name>`; a name `*` means all of a kind, and only a pattern that allows all of them matches it */
  decide(roles: readonly string[], action: AccessAction, resource: string): Decision {
    const unlimited = roles.find((role) => unlimitedRoles.includes(role));
    if (unlimited !== undefined) return { allowed: true, reason: `role ${unlimited}` };
    const would = this.grants.filter((grant) => grant.action === action && grant.matches.test(resource));
    const found = would.find(({ role }) => roles.includes(role));
    if (found !== undefined)
      return { allowed: true, reason: `policy ${found.policy}: ${found.role} may ${action} ${found.pattern}` };
    const others = [...new Set([...would.map(({ role }) => role).toSorted(), ...unlimitedRoles])];
    return { allowed: false, reason: `one of the roles ${others.join(', ')} is needed` };
  }
}

/** What a policy's access says; who has a role that it asks for approvals may see and decide them too: the approval itself says who of them may vote on it. */
function grantsOf({ name, access, approvals }: PolicySpec): Grant[] {
  const voters = (approvals?.roles ?? []).map((role) => ({
    role,
    may: ['read', 'approve'] as const,
    on: ['approvals/*'],
  }));
  return [...access, ...voters].flatMap(({ role, may, on }) =>
    may.flatMap((action) =>
      on.map((pattern) => ({ policy: name, role, action, pattern, matches: matcherOf(pattern) })),
    ),
  );
}

/** `*` stands for any characters but '/', so that a name in a request never reaches into another kind. */
export function matcherOf(pattern: string): RegExp {
  const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('[^/]*')}$`);
}
