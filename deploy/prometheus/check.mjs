// promtool over the configuration, the rules and their tests: `node deploy/prometheus/check.mjs`. Needs promtool on the PATH (or its path in PROMTOOL).
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';

const folder = new URL('.', import.meta.url).pathname;
const promtool = process.env.PROMTOOL ?? 'promtool';
const files = (name) => readdirSync(folder + name).map((file) => `${name}/${file}`);
const runs = [
  ['check', 'config', '--syntax-only', 'prometheus.yml'],
  ['check', 'rules', ...files('rules')],
  ['test', 'rules', ...files('tests')],
];
for (const args of runs) {
  const { status, error } = spawnSync(promtool, args, { cwd: folder, stdio: 'inherit' });
  if (error) {
    console.error(`${promtool} does not run here: install Prometheus, e.g. \`apt-get install prometheus\``);
    process.exit(1);
  }
  if (status !== 0) process.exit(status ?? 1);
}
