import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import type { Profiler } from 'node:inspector';
import { until } from '#libs/testing/until.js';
import { buildGenerator, type Load } from './generator.js';
import { loaderOf } from './measure.js';
import { modelStreamInfer } from './open-inference-messages.js';
import { MillracePeer } from './millrace/millrace.peer.js';
import { profilePath } from './millrace/profile-path.js';
import { ensureModels, repeated } from './models.js';
import { peerCache } from './peer-cache.js';
import { profileParts } from './profile-parts.js';
import { cores } from './start-pinned.js';

/** `profile.main.js`: where the gateway's time goes, as a table, for the loads of the comparison whose aims say most of it. */
const seconds = 5;
const loads: Readonly<Record<string, { rows: number; settings: Partial<Load> }>> = {
  'one row, 64 in flight': { rows: 1, settings: {} },
  'one row, one in flight': { rows: 1, settings: { connections: 1, inflight: 1 } },
  '32 rows on a stream': { rows: 32, settings: { protocol: 'stream', path: modelStreamInfer, connections: 4 } },
};

execFileSync('taskset', ['-a', '-c', '-p', String(cores.generator), String(process.pid)], { stdio: 'ignore' });
const binary = buildGenerator();
const models = await ensureModels(peerCache(), (line) => console.error(line));
const peer = new MillracePeer();
const served = await peer.serve(models.all.gbt100, { profiled: true });
const [gateway] = served.pids as [number];
try {
  for (const [name, { rows, settings }] of Object.entries(loads)) {
    const load = loaderOf(binary, served, [served.request(repeated(models.row, rows))], { warmSeconds: 0, seconds });
    await load(settings); // warm
    process.kill(gateway, 'SIGUSR2');
    const { perSecond, cpuUs } = await load(settings);
    process.kill(gateway, 'SIGUSR2');
    await until(() => existsSync(profilePath(gateway)), 'the profile');
    const text = readFileSync(profilePath(gateway), 'utf8');
    rmSync(profilePath(gateway));
    console.log(`\n${name}: ${Math.round(perSecond)} requests/s, ${cpuUs} us CPU a request of gateway and worker\n`);
    console.log('| part of the gateway | of its time |\n|---|---|');
    for (const { part, share } of profileParts(JSON.parse(text) as Profiler.Profile))
      console.log(`| ${part} | ${(share * 100).toFixed(1)} % |`);
  }
} finally {
  await served.stop();
  await peer.close();
}
