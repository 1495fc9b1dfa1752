// npm test: unit and component tests, then the integration tests against a real Kafka, ClickHouse, Redis and Postgres started for them. Ends with the count of passed and failed.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureBuilt, ensureInstalled } from './prepare.mjs';

const root = new URL('../..', import.meta.url).pathname;
const only = process.argv.slice(2);
await ensureInstalled(root);
await ensureBuilt(root);

const data = mkdtempSync(join(tmpdir(), 'millrace-test-'));
const cache = process.env.MILLRACE_CACHE ?? join(root, '.millrace/cache');
const settingsFile = join(data, 'infra.json');
let passed = 0;
let failed = 0;

function jest(project, env) {
  const report = join(data, `${project}.json`);
  const args = [
    '--experimental-vm-modules',
    '--no-warnings',
    'node_modules/jest/bin/jest.js',
    '--selectProjects',
    project,
    '--json',
    `--outputFile=${report}`,
    '--testLocationInResults',
    '--passWithNoTests',
    // One after another: each starts servers of its own on the same two cores.
    ...(project === 'integration' ? ['--runInBand'] : []),
    ...only,
  ];
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, {
      cwd: root,
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, ...env },
    });
    child.on('close', (code) => {
      if (!existsSync(report)) {
        failed += 1;
        return resolve();
      }
      const result = JSON.parse(readFileSync(report, 'utf8'));
      passed += result.numPassedTests;
      failed += result.numFailedTests + result.numRuntimeErrorTestSuites + (code !== 0 && result.success ? 1 : 0);
      const skipped = result.numPendingTests + result.numTodoTests;
      if (skipped > 0) console.log(`${skipped} skipped in ${project}`);
      resolve();
    });
  });
}

async function startInfrastructure() {
  const child = spawn(process.execPath, ['dist/deploy/local/infra/main.js', '--data', data, '--write', settingsFile], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, MILLRACE_CACHE: cache },
  });
  const ended = new Promise((_, reject) =>
    child.on('close', (code) => reject(new Error(`infrastructure ended with ${code}`))),
  );
  ended.catch(() => undefined);
  const written = (async () => {
    while (!existsSync(settingsFile)) await new Promise((resolve) => setTimeout(resolve, 200));
  })();
  await Promise.race([written, ended]);
  return child;
}

/** Starting four servers for no test would only cost time. */
function integrationSpecs() {
  const folders = ['libs', 'services', 'deploy', 'examples'].filter((folder) => existsSync(join(root, folder)));
  const files = folders.flatMap((folder) => readdirSync(join(root, folder), { recursive: true }));
  return files.filter((file) => file.endsWith('.integration.spec.ts')).length;
}

async function integration() {
  const infrastructure = await startInfrastructure();
  try {
    await jest('integration', { MILLRACE_TEST_INFRA: settingsFile, MILLRACE_CACHE: cache });
  } finally {
    infrastructure.kill('SIGTERM');
    await new Promise((resolve) => infrastructure.once('close', resolve));
  }
}

try {
  await jest('unit', {});
  if (integrationSpecs() > 0) await integration();
} catch (error) {
  failed += 1;
  console.error(error.message);
} finally {
  rmSync(data, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
