import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import type { AccessGuard } from '#libs/auth/access-guard.js';
import { httpAccess } from '#libs/auth/access-rules.js';
import type { Caller } from '#libs/auth/caller.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { Logger } from '#libs/telemetry/logger.js';
import type { TraceContext } from '#libs/telemetry/trace-context.js';

const openPaths = new Set(['/livez', '/readyz']);

export type AuthenticatedRequest = Request & { caller?: Caller; authorization?: string; trace?: TraceContext };

/** What a service with HTTP routes of its own says of them; given to runService. Without it there are none but those of the access rules. */
export interface HttpDoor {
  /** 'open' = holds no data and answers anybody; 'known' = answers every caller, and each thing that it says is asked for in his name; undefined = by access rule. */
  admits(method: string, path: string): 'open' | 'known' | undefined;
  /** The `authorization` of a request that brings none itself, `Bearer <token>`. @throws MillraceError unauthenticated, permission-denied */
  authorizationOf(request: Request): string | undefined;
}

/** Everything but the health questions, and what a door opens, needs a token, and a role that may. What has no access rule is not there. */
export function requireAccess(guard: AccessGuard, door?: HttpDoor) {
  const admit = (request: AuthenticatedRequest, caller: Caller): void => {
    const access = httpAccess(request.method, request.path);
    if (access === undefined) throw new MillraceError('not-found', `Cannot ${request.method} ${request.path}`);
    guard.check(caller, access.route, access.action, access.resource);
  };
  return async (request: AuthenticatedRequest, response: Response, next: NextFunction): Promise<void> => {
    const admitted = door?.admits(request.method, request.path);
    if (openPaths.has(request.path) || admitted === 'open') return next();
    try {
      const authorization = request.headers.authorization ?? door?.authorizationOf(request);
      const caller = await guard.authenticate(authorization);
      request.caller = caller;
      if (authorization !== undefined) request.authorization = authorization;
      if (admitted !== 'known') admit(request, caller);
    } catch (error) {
      const path = `path: "${request.path}" is not percent-encoded UTF-8`;
      return sendError(response, error instanceof MillraceError ? error : new MillraceError('invalid-argument', path));
    }
    next();
  };
}

/** Every error leaves as {"error": {code, message}} with the status of the table. */
@Catch()
export class HttpErrorFilter implements ExceptionFilter {
  constructor(private readonly log: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const [request, response] = [
      host.switchToHttp().getRequest<AuthenticatedRequest>(),
      host.switchToHttp().getResponse<Response>(),
    ];
    if (error instanceof MillraceError) return sendError(response, error);
    if (error instanceof HttpException) {
      response.status(error.getStatus()).json({
        error: { code: error.getStatus() === 404 ? 'not-found' : 'invalid-argument', message: error.message },
      });
      return;
    }
    this.log.within(request.trace).error('http_failed', { error: error as Error });
    sendError(response, new MillraceError('internal', 'internal error; the service log has it'));
  }
}

function sendError(response: Response, error: MillraceError): void {
  response.status(error.httpStatus).json({ error: { code: error.code, message: error.message } });
}
