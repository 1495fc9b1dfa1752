import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { projectRoot } from '#libs/storage/sql-file.js';

export interface PageFile {
  readonly type: string;
  readonly bytes: Buffer;
  readonly etag: string;
}

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};
const { resolve } = createRequire(import.meta.url);
const besidePackage = (name: string, path: string): string => join(dirname(resolve(`${name}/package.json`)), path);

/** Everything that the page is made of, read once at start: what is compiled, what is not, and the two libraries it uses. */
export function readPageFiles(): ReadonlyMap<string, PageFile> {
  const files = new Map<string, PageFile>();
  const source = join(projectRoot(), 'services/console/web');
  const compiled = join(projectRoot(), 'dist/services/console/web');
  const add = (url: string, path: string): void => void files.set(url, pageFile(path));
  add('/', join(source, 'index.html'));
  for (const name of ['page.css', 'icon.svg']) add(`/assets/${name}`, join(source, name));
  for (const name of readdirSync(compiled, { recursive: true, encoding: 'utf8' }))
    if (name.endsWith('.js')) add(`/assets/${name}`, join(compiled, name));
  for (const [name, path] of vendored) add(`/vendor/${name}`, path);
  return files;
}

const vendored: readonly [string, string][] = [
  ['preact.mjs', resolve('preact')],
  ['hooks.mjs', resolve('preact/hooks')],
  ['jsx-runtime.mjs', resolve('preact/jsx-runtime')],
  ['uplot.js', besidePackage('uplot', 'dist/uPlot.esm.js')],
  ['uplot.css', besidePackage('uplot', 'dist/uPlot.min.css')],
];

function pageFile(path: string): PageFile {
  const bytes = readFileSync(path);
  const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
  return { type: types[extname(path)] ?? 'application/octet-stream', bytes, etag };
}

/**
 * Content-Security-Policy of the page (W3C CSP level 3): its own files and nothing else. The import map has to stand in the page itself, and is allowed by its hash.
 */
export function contentPolicy(html: string): string {
  const map = /<script type="importmap">([\s\S]*?)<\/script>/.exec(html)?.[1];
  if (map === undefined) throw new Error('index.html has no import map');
  const hash = createHash('sha256').update(map).digest('base64');
  return [
    "default-src 'none'",
    `script-src 'self' 'sha256-${hash}'`,
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}
