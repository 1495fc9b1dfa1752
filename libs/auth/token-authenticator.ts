import { createHash } from 'node:crypto';
import { MillraceError } from '#libs/errors/millrace-error.js';

/** Who is calling: found by API token. */
export interface Caller {
  readonly name: string;
}

/**
 * Knows callers by their token. Only hashes are kept, and the look-up is by hash, so that neither memory nor timing tells a token.
 * `tokens` is `caller=token,caller=token`; a token has at least 16 characters.
 */
export class TokenAuthenticator {
  private readonly callers = new Map<string, Caller>();

  constructor(tokens: string) {
    for (const entry of tokens.split(',')) {
      const [name, token] = entry.trim().split('=', 2);
      if (!name || !token || token.length < 16)
        throw new Error('MILLRACE_TOKENS: each entry must be caller=token with a token of 16 or more characters');
      this.callers.set(hash(token), { name });
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

function hash(token: string): string {
  return createHash('sha256').update(token).digest('base64');
}

/** Plaintext is for loopback only: refuses any other address to listen on. */
export function assertLoopback(listen: string): void {
  const host = listen.slice(0, listen.lastIndexOf(':'));
  if (!/^(127(\.\d{1,3}){3}|localhost|\[::1\])$/.test(host))
    throw new Error(`refusing to listen in plaintext on ${listen}: only loopback (127.0.0.1) is allowed without TLS`);
}
