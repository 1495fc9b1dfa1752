import { Controller, Delete, Get, Inject, Post, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { AccessGuard } from '#libs/auth/access-guard.js';
import type { Caller } from '#libs/auth/caller.js';
import type { AuthenticatedRequest } from '#libs/boot/http-edge.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { SessionView } from '../../views/session.view.js';
import type { ConsoleMetrics } from '../console.metrics.js';
import { ConsoleMetricsToken } from '../console.tokens.js';
import { Sessions } from '../domain/sessions.js';
import { assertSameOrigin, cookieName, cookieOf } from './console.door.js';
import { readJson } from './read-json.js';

const attributes = 'Path=/; HttpOnly; SameSite=Strict';

/** Signing in and out. A token comes once, in the body of POST, and is answered with a cookie that says nothing. */
@Controller('api/session')
export class SessionApi {
  constructor(
    @Inject(Sessions) private readonly sessions: Sessions,
    @Inject(AccessGuard) private readonly guard: AccessGuard,
    @Inject(ConsoleMetricsToken) private readonly metrics: ConsoleMetrics,
  ) {}

  @Post()
  async signIn(@Req() request: Request, @Res() response: Response): Promise<void> {
    assertSameOrigin(request);
    const { token } = (await readJson(request)) as { token?: unknown };
    if (typeof token !== 'string') throw new MillraceError('invalid-argument', 'token: must be an API token');
    const caller = await this.authenticated(`Bearer ${token.trim()}`);
    const previous = cookieOf(request);
    if (previous !== undefined) this.sessions.end(previous);
    const id = this.sessions.start(caller, `Bearer ${token.trim()}`);
    this.metrics.sessions.set(this.sessions.size);
    response.setHeader('set-cookie', `${cookieName}=${id}; ${attributes}`);
    response.json({ name: caller.name, roles: caller.roles } satisfies SessionView);
  }

  @Get()
  who(@Req() request: AuthenticatedRequest, @Res() response: Response): void {
    const { name, roles } = request.caller!;
    response.json({ name, roles } satisfies SessionView);
  }

  @Delete()
  signOut(@Req() request: Request, @Res() response: Response): void {
    const id = cookieOf(request);
    if (id !== undefined) this.sessions.end(id);
    this.metrics.sessions.set(this.sessions.size);
    response.setHeader('set-cookie', `${cookieName}=; ${attributes}; Max-Age=0`);
    response.json({});
  }

  private async authenticated(authorization: string): Promise<Caller> {
    try {
      const caller = await this.guard.authenticate(authorization);
      this.metrics.signIns.inc({ outcome: 'ok' });
      return caller;
    } catch (error) {
      this.metrics.signIns.inc({ outcome: 'refused' });
      throw error;
    }
  }
}
