// npm run check: types, lint, format, module boundaries, protobuf lint, drift of generated code. Runs all, then says what failed.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';

const root = new URL('../..', import.meta.url).pathname;
const bin = (name) => `${root}node_modules/.bin/${name}`;
const folders = ['libs', 'services', 'deploy', 'examples', 'load-tests'].filter((folder) => existsSync(root + folder));
const steps = [
  ['types', bin('tsc'), ['-p', 'tsconfig.json']],
  ['page types', bin('tsc'), ['-p', 'services/console/web/tsconfig.json', '--noEmit']],
  ['lint', bin('oxlint'), ['--quiet']],
  ['format', bin('prettier'), ['--check', '--log-level', 'warn', '**/*.{ts,tsx,mjs}']],
  ['boundaries', bin('depcruise'), ['--config', '.dependency-cruiser.cjs', ...folders]],
  ['proto lint', bin('buf'), ['lint', 'proto']],
  ['images', process.execPath, ['deploy/docker/check-images.mjs']],
  ['proto drift', process.execPath, ['proto/generate.mjs', '--check']],
];

function run([name, command, args]) {
  const started = Date.now();
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    const output = [];
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => output.push(data));
    child.on('close', (code) => {
      console.log(
        `${code === 0 ? 'ok    ' : 'FAILED'}  ${name.padEnd(12)} ${((Date.now() - started) / 1000).toFixed(1)} s`,
      );
      if (code !== 0)
        console.log(
          Buffer.concat(output)
            .toString()
            .replace(/^npm warn.*\n/gm, ''),
        );
      resolve(code === 0);
    });
  });
}

// Two at a time: what runs longest goes first, and the drift check, which writes, goes alone at the end.
const parallel = steps.slice(0, -1);
const results = [];
await Promise.all(
  [0, 1].map(async () => {
    for (let step = parallel.shift(); step; step = parallel.shift()) results.push(await run(step));
  }),
);
for (const step of steps.slice(-1)) results.push(await run(step));
process.exit(results.every(Boolean) ? 0 : 1);
