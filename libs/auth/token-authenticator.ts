import { createHash } from 'node:crypto';
import { MillraceError } from '#libs/errors/millrace-error.js';

/** Who is calling: found by API token. */
export interface Caller {
  readonly name: string;
  /** Empty = may nothing but ask for health. */
  readonly roles: readonly string[];
}

/**
 * Knows callers by their token. Only hashes are kept, and the look-up is by hash, so that neither memory nor timing tells a token.
 * `tokens` is `caller=token,caller=token`; a token has at least 16 characters. `roles` is `caller=role+role,...`; a caller that it does not name has none.
 */
export class TokenAuthenticator {
  private readonly callers = new Map<string, Caller>();

  constructor(tokens: string, roles: string) {
    const rolesOf = parseRoles(roles);
    for (const entry of tokens.split(',')) {
      const [name, token] = entry.trim().split('=', 2);
      if (!name || !token || token.length < 16)
        throw new Error('MILLRACE_TOKENS: each entry must be caller=token with a token of 16 or more characters');
      this.callers.set(hash(token), { name, roles: rolesOf.get(name) ?? [] });
    }
  }

  /** @param authorization the header's value, `Bearer <token>` */
  authenticate(authorization: string | undefined): Caller {
    const token = /^Bearer (\S{1,512})$/i.exec(authorization ?? '')?.[1];
    if (token === undefined)
      throw new MillraceError('unauthenticated', 'authorization: missing; send `authorization: Bearer <API token>`');
    const caller = this.callers.get(hash(token));
    if (caller === undefined) throw new MillraceError('unauthenticated', 'authorization: this API token is not known');
    return caller;
  }
}

function parseRoles(text: string): ReadonlyMap<string, readonly string[]> {
  const entries = text.split(',').map((entry) => {
    const [, name, roles] = /^([^=\s]+)=([a-z][a-z0-9-]*(?:\+[a-z][a-z0-9-]*)*)$/.exec(entry.trim()) ?? [];
    if (name === undefined || roles === undefined)
      throw new Error(
        `MILLRACE_ROLES: "${entry}" must be caller=role+role, each role of lower case letters, digits and '-'`,
      );
    return [name, roles.split('+')] as const;
  });
  return new Map(entries);
}

function hash(token: string): string {
  return createHash('sha256').update(token).digest('base64');
}

/** Plaintext is for loopback only: refuses any other address to listen on. */
export function assertLoopback(listen: string): void {
  const host = listen.slice(0, listen.lastIndexOf(':'));
  if (!/^(127(\.\d{1,3}){3}|localhost|\[::1\])$/.test(host))
    throw new Error(`refusing to listen in plaintext on ${listen}: only loopback (127.0.0.1) is allowed without TLS`);
}
