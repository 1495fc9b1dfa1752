import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { madeOnce } from './made-once.js';

const run = promisify(execFile);
const sourcesFolder = '/etc/apt/sources.list.d';

/**
 * Debian's packages with their files laid out under `folder`, from the machine's own sources; nothing is installed. Made once: a folder that is there is whole.
 * @param suite a release of Debian other than the machine's, by its code name; from the same sources
 * @throws Error where the machine is no Debian, or its packages cannot be had
 */
export async function layOutDebianPackages(
  folder: string,
  packages: readonly string[],
  suite?: string,
): Promise<string> {
  const layOut = async (made: string, work: string): Promise<void> => {
    const options = suite === undefined ? [] : await indexOf(suite, work);
    await run('apt-get', [...options, 'download', ...packages], { cwd: work });
    for (const file of (await readdir(work)).filter((name) => name.endsWith('.deb')))
      await run('dpkg', ['-x', join(work, file), made]);
  };
  return madeOnce(folder, layOut).catch((cause: unknown) => {
    throw new Error(`Debian packages ${packages.join(', ')} cannot be had: ${String(cause)}`, { cause });
  });
}

/** The options by which apt-get knows another suite and nothing else; its index is kept in `work`. */
async function indexOf(suite: string, work: string): Promise<string[]> {
  const own = await ownSuite();
  const [parts, lists] = [join(work, 'sources'), join(work, 'lists')];
  await Promise.all([mkdir(parts), mkdir(join(lists, 'partial'), { recursive: true })]);
  const found = await sourcesOf(own);
  if (found.length === 0) throw new Error(`no source of Debian's suite ${own} is in ${sourcesFolder}`);
  for (const { name, text } of found) await writeFile(join(parts, name), ofSuite(text, own, suite));
  const options = {
    'Dir::Etc::sourcelist': '/dev/null',
    'Dir::Etc::sourceparts': parts,
    'Dir::State::lists': lists,
    'Dir::State::status': '/dev/null',
    'Dir::Cache': join(work, 'cache'),
    // As root, apt-get would otherwise read what it fetched as a user who may not enter this folder.
    'APT::Sandbox::User': 'root',
  };
  const args = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  await run('apt-get', [...args, 'update', '--error-on=any']);
  return args;
}

async function ownSuite(): Promise<string> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => ''); // a system without that file is no Debian
  const suite = /^ID=debian$/m.test(release) ? /^VERSION_CODENAME=(\w+)$/m.exec(release)?.[1] : undefined;
  if (suite === undefined) throw new Error('this machine is no Debian: /etc/os-release names no suite of it');
  return suite;
}

/** The files of sources, one-line and deb822, that are of the suite, its updates or its security updates. */
async function sourcesOf(suite: string): Promise<{ name: string; text: string }[]> {
  const names = (await readdir(sourcesFolder)).filter((name) => /\.(list|sources)$/.test(name));
  const paths = [...names.map((name) => join(sourcesFolder, name)), '/etc/apt/sources.list'].filter(existsSync);
  const files = await Promise.all(
    paths.map(async (path) => ({ name: path.slice(path.lastIndexOf('/') + 1), text: await readFile(path, 'utf8') })),
  );
  return files.filter(({ text }) => suitesOf(suite).test(text)).map((file) => ({ ...file, name: partName(file.name) }));
}

/** A suite's name alone, not `<product>-<suite>` of others than Debian. */
const suitesOf = (suite: string): RegExp => new RegExp(`(?<=[ \\t])${suite}(?=(-updates|-security)?([ \\t]|$))`, 'gm');

export const ofSuite = (text: string, own: string, suite: string): string => text.replaceAll(suitesOf(own), suite);

const partName = (name: string): string => (name === 'sources.list' ? 'main.list' : name);
