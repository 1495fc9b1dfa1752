import { once } from 'node:events';
import { Agent, createServer, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { DrainingHttpAdapter } from './draining-http.adapter.js';

const graceMs = 2_000;
let adapter: DrainingHttpAdapter;
let port: number;
let agents: Agent[];
/** Answers that the test holds back, by path. */
let held: Map<string, ServerResponse>;

beforeEach(async () => {
  [agents, held] = [[], new Map()];
  adapter = new DrainingHttpAdapter(graceMs);
  const server = createServer((asked, response) => {
    if (asked.url!.startsWith('/held')) held.set(asked.url!, response);
    else response.end('ok');
  });
  adapter.setHttpServer(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ({ port } = server.address() as AddressInfo);
});
afterEach(async () => {
  for (const response of held.values()) response.destroy();
  for (const agent of agents) agent.destroy();
  await adapter.close();
});

function kept(): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  agents.push(agent);
  return agent;
}

/** What was said of the connection, or the error's code. */
function get(agent: Agent, path = '/'): Promise<string | undefined> {
  return new Promise((resolve) => {
    const asked = request({ port, host: '127.0.0.1', path, agent });
    asked.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code));
    asked.on('response', (response) => response.resume().on('end', () => resolve(response.headers.connection)));
    asked.end();
  });
}

it('a connection that is kept is used once more, is told that it closes, and a new one is refused', async () => {
  const [busy, stranger] = [kept(), kept()];
  expect(await get(busy)).toBe('keep-alive');
  const closed = adapter.close();
  expect(await get(busy)).toBe('close');
  expect(await get(stranger)).toBe('ECONNREFUSED');
  await closed;
});

it('a call that is worked on is answered, and is waited for; closing twice is closing once', async () => {
  const slow = get(kept(), '/held');
  while (!held.has('/held')) await new Promise(setImmediate);
  const closed = adapter.close();
  expect(adapter.close()).toBe(closed);
  held.get('/held')!.end('late');
  expect(await slow).toBeDefined();
  await closed;
});

it('connections that nobody uses are closed, and one that never ends is cut after the grace', async () => {
  await get(kept());
  const startedMs = performance.now();
  const endless = get(kept(), '/held');
  while (!held.has('/held')) await new Promise(setImmediate);
  await adapter.close();
  expect(performance.now() - startedMs).toBeGreaterThanOrEqual(graceMs - 50);
  expect(await endless).toBe('ECONNRESET');
});
