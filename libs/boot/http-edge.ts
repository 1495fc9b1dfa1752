import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import type { AccessGuard } from '#libs/auth/access-guard.js';
import { httpAccess } from '#libs/auth/access-rules.js';
import type { Caller } from '#libs/auth/caller.js';
import { inferenceRoute } from '#libs/auth/inference-routes.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { boundedText } from '#libs/rpc/status.js';
import type { Logger } from '#libs/telemetry/logger.js';
import type { TraceContext } from '#libs/telemetry/trace-context.js';

const openPaths = new Set(['/livez', '/readyz', '/v2/health/live', '/v2/health/ready']);

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
  const admit = (request: AuthenticatedRequest, response: Response, caller: Caller): void => {
    const access = httpAccess(request.method, request.path);
    if (access === undefined) throw notThere(request, response);
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
      if (admitted !== 'known') admit(request, response, caller);
    } catch (error) {
      const path = `path: "${request.path}" is not percent-encoded UTF-8`;
      return sendError(response, error instanceof MillraceError ? error : new MillraceError('invalid-argument', path));
    }
    next();
  };
}

function notThere({ method, path }: Request, response: Response): MillraceError {
  const methods = inferenceRoute(path)?.methods;
  if (methods === undefined) return new MillraceError('not-found', `Cannot ${method} ${path}`);
  response.setHeader('allow', methods.join(', '));
  return new MillraceError('method-not-allowed', `${method} is not allowed here, use ${methods.join(' or ')}`);
}

/** Every error leaves as {"error": {code, message}} with the status of the table; on the inference protocol's paths as {"error": message}, which is what its clients read. */
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
      const code = error.getStatus() === 404 ? 'not-found' : 'invalid-argument';
      return send(response, error.getStatus(), code, error.message);
    }
    this.log.within(request.trace).error('http_failed', { error: error as Error });
    sendError(response, new MillraceError('internal', 'internal error; the service log has it'));
  }
}

function sendError(response: Response, { httpStatus, code, message, retryAfterMs }: MillraceError): void {
  if (retryAfterMs !== undefined) response.setHeader('retry-after', String(Math.ceil(retryAfterMs / 1_000)));
  send(response, httpStatus, code, boundedText(message));
}

function send(response: Response, status: number, code: string, message: string): void {
  const inference = /^\/v2(\/|$)/i.test(response.req.path);
  // KServe's client reads an error where the type is this and nothing more; express would add a charset.
  response.statusCode = status;
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ error: inference ? message : { code, message } }));
}
