import { createServer } from 'node:net';

/** A port on loopback that is free now: the preferred one where it is, else one that the system picks. */
export async function freePort(preferred: number, taken: Set<number>): Promise<number> {
  const candidates = taken.has(preferred) ? [0] : [preferred, 0];
  for (const candidate of candidates) {
    const port = await tryPort(candidate);
    if (port !== undefined && !taken.has(port)) {
      taken.add(port);
      return port;
    }
  }
  throw new Error(`no free port on 127.0.0.1 (wanted ${preferred})`);
}

function tryPort(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(undefined));
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const { port: bound } = probe.address() as { port: number };
      probe.close(() => resolve(bound));
    });
  });
}
