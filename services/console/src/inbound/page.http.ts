import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { contentPolicy, type PageFile } from '../outbound/page-files.js';

export const PageFiles = Symbol('PageFiles');

/** The files of the page: the same for everybody, without any data. */
@Controller()
export class PageHttp {
  private readonly policy: string;

  constructor(@Inject(PageFiles) private readonly files: ReadonlyMap<string, PageFile>) {
    this.policy = contentPolicy(files.get('/')!.bytes.toString('utf8'));
  }

  @Get(['/', '/assets/*path', '/vendor/*path'])
  file(@Req() request: Request, @Res() response: Response): void {
    const file = this.files.get(request.path);
    if (file === undefined) throw new MillraceError('not-found', `Cannot GET ${request.path}`);
    response.set({
      'content-type': file.type,
      etag: file.etag,
      'cache-control': 'no-cache',
      'content-security-policy': this.policy,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
    });
    if (request.headers['if-none-match'] === file.etag) return void response.status(304).end();
    response.send(file.bytes);
  }
}
