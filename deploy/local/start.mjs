// npm start: installs, compiles, starts the mesh and runs the flights example on it. Plain Node, no dependencies.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ensureBuilt, ensureInstalled } from './prepare.mjs';

const root = new URL('../..', import.meta.url).pathname;
const startedMs = Date.now();
try {
  await ensureInstalled(root);
  await ensureBuilt(root);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
const child = spawn(
  process.execPath,
  [
    '--enable-source-maps',
    '--no-warnings',
    join(root, 'dist/deploy/local/launcher/start.main.js'),
    ...process.argv.slice(2),
  ],
  {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, MILLRACE_STARTED_MS: String(startedMs) },
  },
);
// Ctrl-C reaches both, a signal from elsewhere only this one; it waits until the other has stopped everything.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('close', (code) => process.exit(code ?? 1));
