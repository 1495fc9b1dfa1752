import type { Request } from 'express';
import type { HttpDoor } from '#libs/boot/http-edge.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { Session, Sessions } from '../domain/sessions.js';

export const cookieName = 'millrace_session';
/** A form or a link on another site cannot send it; a script there would have to ask first, and is refused. */
export const writeHeader = 'x-millrace-console';

/** The page's files are open and hold no data; everything under /api but signing in needs a session. */
export class ConsoleDoor implements HttpDoor {
  constructor(private readonly sessions: Sessions) {}

  admits(method: string, path: string): 'open' | 'known' | undefined {
    const route = path.toLowerCase();
    if (method === 'POST' && /^\/api\/session\/?$/.test(route)) return 'open';
    if (route.startsWith('/api/')) return 'known';
    const reads = method === 'GET' || method === 'HEAD';
    return reads && (route === '/' || /^\/(assets|vendor)\//.test(route)) ? 'open' : undefined;
  }

  authorizationOf(request: Request): string | undefined {
    if (!request.path.toLowerCase().startsWith('/api/')) return undefined;
    const session = this.sessionOf(request);
    if (session === undefined)
      throw new MillraceError('unauthenticated', 'session: there is none, or it has ended; sign in');
    if (request.method !== 'GET' && request.method !== 'HEAD') assertSameOrigin(request);
    return session.authorization;
  }

  sessionOf(request: Request): Session | undefined {
    const id = cookieOf(request);
    return id === undefined ? undefined : this.sessions.find(id);
  }
}

export function cookieOf(request: Request): string | undefined {
  return new RegExp(`(?:^|;\\s*)${cookieName}=([\\w-]{43})(?:;|$)`).exec(request.headers.cookie ?? '')?.[1];
}

/** @throws MillraceError permission-denied where a request that changes something does not come from the page */
export function assertSameOrigin(request: Request): void {
  const { origin, host } = request.headers;
  if (request.headers[writeHeader] === undefined)
    throw new MillraceError('permission-denied', `${writeHeader}: missing; a call that changes something carries it`);
  if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`)
    throw new MillraceError('permission-denied', `origin: "${origin}" is not this console`);
}
