import { Server as HttpServer } from 'node:http';
import { Server } from 'node:net';
import { ExpressAdapter } from '@nestjs/platform-express';

/** In which a caller who is at work uses its connection once more, and is told that it closes. */
const lingerMs = 500;
const lookAgainMs = 50;

/**
 * Express, whose end costs no caller an answer: node closes connections that are idle at the moment of `close`, and who has just sent a request on one gets a reset for it; others it leaves open, and
 * waits for them for ever. Here every answer says `Connection: close` from the moment that no new connection is taken, and what is idle is closed when it has been told or has not been used.
 */
export class DrainingHttpAdapter extends ExpressAdapter {
  private drained: Promise<void> | undefined;

  /** @param graceMs after it connections are cut, with what is on them */
  constructor(private readonly graceMs: number) {
    super();
  }

  /** Begins at the first call; resolves when every connection is closed. Nothing was listened on = at once. */
  override close(): Promise<void> {
    this.drained ??= this.drain(this.httpServer as HttpServer);
    return this.drained;
  }

  private drain(server: HttpServer): Promise<void> {
    if (!server.listening) return Promise.resolve();
    server.prependListener('request', (_request, response) => (response.shouldKeepAlive = false));
    const startedMs = performance.now();
    const closing = setInterval(() => {
      const tookMs = performance.now() - startedMs;
      if (tookMs >= this.graceMs) server.closeAllConnections();
      else if (tookMs >= lingerMs) server.closeIdleConnections();
    }, lookAgainMs);
    return new Promise((resolve) => {
      // Node's own begins with closing what is idle.
      Server.prototype.close.call(server, () => {
        clearInterval(closing);
        HttpServer.prototype.close.call(server);
        resolve();
      });
    });
  }
}
