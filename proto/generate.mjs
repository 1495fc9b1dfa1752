// Generates libs/contracts/generated from proto/; with --check says whether the committed code still matches.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';

const root = new URL('..', import.meta.url).pathname;
const target = join(root, 'libs/contracts/generated');
const buf = join(root, 'node_modules/.bin/buf');

function files(dir) {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile())
    .map((e) => relative(dir, join(e.parentPath, e.name)))
    .sort();
}

function generateInto(out) {
  execFileSync(buf, ['generate', '--output', join(root, 'proto')], { cwd: join(root, 'proto'), stdio: 'inherit' });
  if (out !== target) cpSync(target, out, { recursive: true });
}

if (process.argv.includes('--check')) {
  const before = mkdtempSync(join(tmpdir(), 'generated-'));
  if (existsSync(target)) cpSync(target, before, { recursive: true });
  generateInto(target);
  const differing = [...new Set([...files(before), ...files(target)])].filter((f) => {
    const [a, b] = [join(before, f), join(target, f)];
    return !existsSync(a) || !existsSync(b) || readFileSync(a, 'utf8') !== readFileSync(b, 'utf8');
  });
  rmSync(before, { recursive: true });
  if (differing.length > 0) {
    console.error(`generated code differs from proto/ (run npm run generate): ${differing.join(', ')}`);
    process.exit(1);
  }
} else {
  generateInto(target);
}
