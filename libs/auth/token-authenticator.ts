import { createHash } from 'node:crypto';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { Caller } from './caller.js';
import type { JwtVerifier } from './jwt-verifier.js';
import { isLoopbackHost } from './loopback.js';

/** A header of 8 KiB is what most servers take. */
const maxTokenLength = 8_192;
/** RFC 7515 compact serialisation; its header is a JSON object, and the signature may be missing: that is refused by name. */
const jwtShape = /^eyJ[\w-]*\.[\w-]*\.[\w-]*$/;

/**
 * Knows callers by their token. Only hashes are kept, and the look-up is by hash, so that neither memory nor timing tells a token.
 * `tokens` is `caller=token,caller=token`; a token has at least 16 characters. `roles` is `caller=role+role,...`; a caller that it does not name has none.
 * A token that is none of these and has the form of a JWT is one where there is somebody to verify it.
 */
export class TokenAuthenticator {
  private readonly callers = new Map<string, Caller>();

  private readonly names = new Set<string>();

  constructor(
    tokens: string,
    roles: string,
    private readonly jwts?: JwtVerifier,
  ) {
    const rolesOf = parseRoles(roles);
    for (const entry of tokens.split(',')) {
      const [name, token] = entry.trim().split('=', 2);
      if (!name || !token || token.length < 16)
        throw new Error('MILLRACE_TOKENS: each entry must be caller=token with a token of 16 or more characters');
      this.callers.set(hash(token), { name, roles: rolesOf.get(name) ?? [] });
      this.names.add(name);
    }
  }

  /**
   * At once for an API token, and for a JWT that was verified a short while ago.
   * @param authorization the header's value, `Bearer <token>`
   * @throws MillraceError unauthenticated, or unavailable when a JWT cannot be verified now; both also by the promise
   */
  authenticate(authorization: string | undefined): Caller | Promise<Caller> {
    const token = /^Bearer (\S+)$/i.exec(authorization ?? '')?.[1];
    if (token === undefined)
      throw new MillraceError('unauthenticated', `authorization: missing; send \`authorization: Bearer <API token>\``);
    if (token.length > maxTokenLength)
      throw new MillraceError('unauthenticated', `authorization: a token has at most ${maxTokenLength} characters`);
    const digest = hash(token);
    const caller = this.callers.get(digest);
    if (caller !== undefined) return caller;
    if (this.jwts === undefined || !jwtShape.test(token))
      throw new MillraceError('unauthenticated', 'authorization: this API token is not known');
    const named = this.jwts.caller(token, digest);
    return named instanceof Promise ? named.then((one) => this.notOurs(one)) : this.notOurs(named);
  }

  /** Nobody else may be taken for a caller with an API token, such as a service: not in what is decided, and not in the audit log. */
  private notOurs(caller: Caller): Caller {
    if (!this.names.has(caller.name)) return caller;
    throw new MillraceError(
      'unauthenticated',
      `authorization: the JWT's bearer is "${caller.name}", which is the name of a caller with an API token`,
    );
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
  if (!isLoopbackHost(host))
    throw new Error(`refusing to listen in plaintext on ${listen}: only loopback (127.0.0.1) is allowed without TLS`);
}
