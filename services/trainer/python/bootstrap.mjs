/**
 * Makes the virtual environment that jobs run in, once per content of the lock file. Plain Node without dependencies: it runs before
 * anything is built, in images and on bare machines alike.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const UV_VERSION = '0.13.9';
const OLDEST_PYTHON = [3, 11];
/** Another process may be installing: a cold install takes about three minutes where pip has to do it. */
const LOCK_WAIT_MS = 15 * 60_000;
const LOCK_POLL_MS = 250;
const TAIL_LINES = 15;

export class PythonBootstrapError extends Error {
  constructor(code, message, cause) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'PythonBootstrapError';
    this.code = code;
  }
}

/**
 * Returns the interpreter of the environment in `dir`, made or remade when the lock file's SHA-256 or the base Python's version differs
 * from the stamp. A second caller waits for the first. Throws PythonBootstrapError: `lock-missing`, `python-missing`, `python-too-old`, `venv-missing`,
 * `install-failed`, `busy`.
 */
export async function ensurePython({ dir, lockFile, onProgress = () => {}, basePython = 'python3' }) {
  const venv = resolve(dir);
  const python = join(venv, 'bin', 'python');
  const lock = await readFile(lockFile).catch((cause) => {
    throw new PythonBootstrapError('lock-missing', `cannot read the lock file ${lockFile}`, cause);
  });
  const base = await checkBasePython(basePython);
  const stamp = `${createHash('sha256').update(lock).digest('hex')} ${base}\n`;
  if (await isCurrent(venv, python, stamp)) return { python };

  await mkdir(dirname(venv), { recursive: true });
  const release = await takeLock(`${venv}.lock`, onProgress);
  try {
    if (await isCurrent(venv, python, stamp)) return { python };
    await rm(venv, { recursive: true, force: true });
    onProgress(`creating a virtual environment with Python ${base}`);
    await mustRun(basePython, ['-m', 'venv', venv], 'venv-missing', onProgress);
    await install(venv, python, resolve(lockFile), onProgress);
    await writeFile(stampPath(venv), stamp);
    return { python };
  } finally {
    await release();
  }
}

const stampPath = (venv) => join(venv, 'millrace-lock.sha256');

async function isCurrent(venv, python, stamp) {
  const found = await readFile(stampPath(venv), 'utf8').catch(() => '');
  return found === stamp && (await run(python, ['-c', ''])).code === 0;
}

/** uv takes a third of pip's time. Without bytecode the first import costs 7 s instead of 2 s; pip compiles by itself, uv when asked. */
async function install(venv, python, lockFile, onProgress) {
  const pip = ['-m', 'pip', '--disable-pip-version-check'];
  const gotUv = await run(python, [...pip, 'install', '--quiet', `uv==${UV_VERSION}`], onProgress);
  if (gotUv.code === 0) {
    onProgress('installing the locked packages with uv');
    const args = ['pip', 'install', '--python', python, '--compile-bytecode', '--link-mode', 'copy', '-r', lockFile];
    const { code } = await run(join(venv, 'bin', 'uv'), args, onProgress);
    if (code === 0) return;
  }
  onProgress('uv did not succeed; installing the locked packages with pip');
  await mustRun(python, [...pip, 'install', '--progress-bar', 'off', '-r', lockFile], 'install-failed', onProgress);
}

async function checkBasePython(basePython) {
  const probe = 'import sys; print("%d.%d.%d" % sys.version_info[:3]); import venv, ensurepip';
  const { code, stdout, tail } = await run(basePython, ['-c', probe]);
  const version = stdout.trim();
  const advice = `install Python ${OLDEST_PYTHON.join('.')} or newer with its venv module (Debian and Ubuntu: apt-get install python3 python3-venv)`;
  if (version === '')
    throw new PythonBootstrapError('python-missing', `${basePython} does not run: ${advice}. ${tail}`.trim());
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < OLDEST_PYTHON[0] || (major === OLDEST_PYTHON[0] && minor < OLDEST_PYTHON[1])) {
    throw new PythonBootstrapError('python-too-old', `${basePython} is ${version}: ${advice}`);
  }
  if (code !== 0)
    throw new PythonBootstrapError('venv-missing', `${basePython} ${version} lacks venv or ensurepip: ${advice}`);
  return version;
}

/** A file that names the process installing; one left behind by a process that is gone is taken over. */
async function takeLock(path, onProgress) {
  const deadline = Date.now() + LOCK_WAIT_MS;
  for (let waiting = false; ; waiting = true) {
    try {
      const file = await open(path, 'wx');
      await file.writeFile(String(process.pid));
      await file.close();
      return () => rm(path, { force: true });
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (await isAbandoned(path)) await rm(path, { force: true });
    else if (Date.now() > deadline) throw new PythonBootstrapError('busy', `another process still holds ${path}`);
    else {
      if (!waiting) onProgress('another process is installing; waiting for it');
      await sleep(LOCK_POLL_MS);
    }
  }
}

async function isAbandoned(path) {
  const owner = Number(await readFile(path, 'utf8').catch(() => ''));
  if (!(owner > 0)) {
    // Empty: its maker has not written its id yet, unless it died between the two.
    const made = await stat(path).catch(() => undefined);
    return made !== undefined && Date.now() - made.mtimeMs > 10_000;
  }
  try {
    process.kill(owner, 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH';
  }
}

async function mustRun(command, args, code, onProgress) {
  const result = await run(command, args, onProgress);
  if (result.code !== 0) throw new PythonBootstrapError(code, `${command} ${args.join(' ')} failed:\n${result.tail}`);
}

/** Runs to the end; code -1 when it could not start. `tail` holds the last lines of both streams. */
function run(command, args, onLine = () => {}) {
  return new Promise((done) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const lines = [];
    let stdout = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    for (const input of [child.stdout, child.stderr]) {
      createInterface({ input }).on('line', (line) => {
        if (line.trim() === '') return;
        lines.push(line);
        if (lines.length > TAIL_LINES) lines.shift();
        onLine(line);
      });
    }
    child.on('error', (error) => done({ code: -1, stdout, tail: error.message }));
    child.on('close', (code) => done({ code: code ?? -1, stdout, tail: lines.join('\n') }));
  });
}

async function main() {
  const { values } = parseArgs({ options: { dir: { type: 'string' }, lock: { type: 'string' } } });
  if (values.dir === undefined || values.lock === undefined) {
    process.stderr.write('usage: bootstrap.mjs --dir <virtual environment> --lock <requirements.lock>\n');
    process.exitCode = 2;
    return;
  }
  try {
    const onProgress = (line) => process.stderr.write(`${line}\n`);
    const { python } = await ensurePython({ dir: values.dir, lockFile: values.lock, onProgress });
    process.stdout.write(`${python}\n`);
  } catch (error) {
    if (!(error instanceof PythonBootstrapError)) throw error;
    process.stderr.write(`${error.code}: ${error.message}\n`);
    process.exitCode = 1;
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(resolve(process.argv[1])).href) await main();
