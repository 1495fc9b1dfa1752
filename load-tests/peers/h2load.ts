import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { layOutDebianPackages } from '#libs/testing/debian-packages.js';
import type { Served } from './peer.js';
import { cores } from './start-pinned.js';

const run = promisify(execFile);
const packages = ['nghttp2-client', 'libnghttp2-14', 'libev4', 'libc-ares2', 'libjansson4', 'libjemalloc2'];

/** Unary gRPC from nghttp2's load generator, 8 connections with 8 out on each: answers a second. It counts HTTP statuses, not gRPC's. @throws Error where it cannot be had */
export async function h2load(cache: string, served: Served, message: Uint8Array, seconds: number): Promise<number> {
  const binary = join(await layOutDebianPackages(join(cache, 'h2load'), packages), 'usr/bin/h2load');
  const folder = mkdtempSync(join(tmpdir(), 'millrace-h2load-'));
  const body = join(folder, 'body');
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  writeFileSync(body, frame);
  const headers = { ...served.headers, 'content-type': 'application/grpc', te: 'trailers' };
  const fields = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
  const shape = ['-c', '8', '-m', '8', `--duration=${seconds}`, '--warm-up-time=1'];
  const url = `http://${served.address}${served.path}`;
  const args = ['-c', String(cores.generator), binary, ...shape, '-d', body, ...fields, url];
  const env = { ...process.env, LD_LIBRARY_PATH: join(binary, '../../lib/x86_64-linux-gnu') };
  const { stdout } = await run('taskset', args, { env });
  rmSync(folder, { recursive: true });
  const done = /requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded/.exec(stdout);
  if (done === null || done[1] !== done[2]) throw new Error(`h2load said: ${stdout.slice(0, 400)}`);
  return Number(done[2]) / seconds;
}
