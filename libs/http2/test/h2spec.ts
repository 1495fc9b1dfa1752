import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from '#libs/storage/cache-folder.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { madeOnce } from '#libs/testing/made-once.js';

const run = promisify(execFile);
/** As libs/http2/test/h2spec/go.mod pins it. */
const folder = cacheFolder('h2spec-2.2.1');

/** One of the conformance tests that h2spec makes of a server. */
export interface Conformance {
  /** Section and what is done, e.g. 'http2/6.9.1 Sends SETTINGS frame ...'. */
  readonly name: string;
  /** What was expected and what came; undefined = it passed. */
  readonly failure: string | undefined;
  readonly isSkipped: boolean;
}

/** Runs all of h2spec, built by Go when the cache has none, against a server of loopback. */
export async function conformanceOf(port: number): Promise<Conformance[]> {
  const built = await madeOnce(folder, async (made) => {
    const source = join(projectRoot(), 'libs/http2/test/h2spec');
    const args = ['build', '-o', join(made, 'h2spec'), 'github.com/summerwind/h2spec/cmd/h2spec'];
    await run('go', args, { cwd: source });
  });
  const reports = await mkdtemp(join(tmpdir(), 'millrace-h2spec-'));
  try {
    const report = join(reports, 'report.xml');
    // It ends with 1 when a test fails: what failed is in the report, and without one the reading of it fails.
    await run(join(built, 'h2spec'), ['-p', String(port), '-o', '1', '-j', report]).catch(() => undefined);
    return casesOf(await readFile(report, 'utf8'));
  } finally {
    await rm(reports, { recursive: true });
  }
}

function casesOf(xml: string): Conformance[] {
  const cases = xml.matchAll(/<testcase package="([^"]*)" classname="([^"]*)"[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g);
  return [...cases].map(([, section, title, inside = '']) => ({
    name: `${section} ${title!.replaceAll('&#34;', '"')}`,
    failure: inside.includes('<error>') || inside.includes('<failure') ? inside.trim() : undefined,
    isSkipped: inside.includes('<skipped'),
  }));
}
