// What has to be there before compiled code can run: node_modules (npm install) and dist/ (tsc). Plain Node, no dependencies.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const sources = ['libs', 'services', 'deploy', 'examples', 'load-tests'];

/** Installs the locked packages when node_modules does not match package-lock.json. */
export async function ensureInstalled(root, say = console.error) {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19))
    throw new Error(`Node ${process.versions.node} is too old: install Node 20.19 or later`);
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const stamp = join(root, 'node_modules/.millrace-lock');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  if (!existsSync(join(root, 'node_modules/.package-lock.json')) || existsSync(stamp)) {
    say('installing packages (npm install)');
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd: root,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }
  writeFileSync(stamp, lock);
}

/** Compiles when any source is newer than the last build. */
export async function ensureBuilt(root, say = console.error) {
  const stamp = join(root, 'dist/.built');
  const newest = Math.max(
    ...sources.map((folder) => newestChange(join(root, folder))),
    statSync(join(root, 'tsconfig.json')).mtimeMs,
  );
  if (existsSync(stamp) && statSync(stamp).mtimeMs >= newest) return;
  say('compiling');
  mkdirSync(join(root, 'dist'), { recursive: true });
  rmSync(stamp, { force: true });
  for (const project of ['tsconfig.build.json', 'services/console/web/tsconfig.json'])
    execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', project], {
      cwd: root,
      stdio: ['ignore', 2, 2],
    });
  writeFileSync(stamp, '');
}

function newestChange(folder) {
  if (!existsSync(folder)) return 0;
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return Math.max(
    0,
    ...entries
      .filter((e) => e.isFile() && /\.(tsx?|json)$/.test(e.name))
      .map((e) => statSync(join(e.parentPath, e.name)).mtimeMs),
  );
}
