import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { errorMessage } from '#libs/errors/millrace-error.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { buildGenerator } from './generator.js';
import { blockRows, measure, type Measured, onnxruntimeAlone } from './measure.js';
import { ensureModels } from './models.js';
import { type ModelName, modelNames, type Peer } from './peer.js';
import { allPeers } from './all-peers.js';
import { cores } from './start-pinned.js';

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    models: { type: 'string' },
    quick: { type: 'boolean', default: false },
    write: { type: 'string' },
  },
});
const say = (line: string): void => console.error(line);
const lengths = values.quick ? { warmSeconds: 0.5, seconds: 2 } : { warmSeconds: 1, seconds: 4 };
const cache = join(process.env['MILLRACE_CACHE'] ?? join(projectRoot(), '.millrace/cache'), 'peers');
mkdirSync(cache, { recursive: true });
const binary = buildGenerator();
const models = await ensureModels(cache, say);
const wanted = (values.models ?? modelNames.join()).split(',') as ModelName[];
const peers = allPeers(cache, say);
const chosen = values.only === undefined ? Object.keys(peers) : values.only.split(',');
for (const key of chosen)
  if (peers[key] === undefined) throw new Error(`--only ${key}: it is none of ${Object.keys(peers).join(', ')}`);
// What is not pinned to the servers' core, Kafka's broker too, stays off it.
execFileSync('taskset', ['-a', '-c', '-p', String(cores.generator), String(process.pid)]);

const found: Record<string, Record<string, Measured | { problem: string }>> = {};
const alone: Record<string, { one: number; block: number }> = {};
for (const name of wanted) {
  const model = models.all[name];
  const one = await onnxruntimeAlone(model, models.row, 1, lengths.seconds / 2);
  const block = await onnxruntimeAlone(model, models.row, blockRows, lengths.seconds / 2);
  alone[name] = { one: one.rowsPerSecond, block: block.rowsPerSecond };
  say(`${name}: onnxruntime alone ${JSON.stringify(alone[name])}`);
  for (const key of chosen) {
    const outcome = await tryOne(peers[key]!, name, one.scores[0]!);
    (found[key] ??= {})[name] = outcome;
    say(`${name} ${key}: ${line(outcome)}`);
  }
}
for (const key of chosen) await peers[key]!.close?.();
if (values.write !== undefined) writeFileSync(values.write, JSON.stringify({ alone, found }, null, 2));

async function tryOne(peer: Peer, name: ModelName, expected: number): Promise<Measured | { problem: string }> {
  try {
    const served = await peer.serve(models.all[name]);
    try {
      return await measure(binary, served, models.row, expected, lengths, peer.streams === true);
    } finally {
      await served.stop();
    }
  } catch (error) {
    return { problem: errorMessage(error) };
  }
}

function line(outcome: Measured | { problem: string }): string {
  if ('problem' in outcome) return outcome.problem;
  const { full, half, alone: single, block, stream, pssMiB } = outcome;
  return [
    `${Math.round(full.perSecond)}/s, ${full.cpuUs} us CPU, p99 ${full.p99Ms}`,
    `half: p50 ${half.p50Ms} p99 ${half.p99Ms} p99.9 ${half.p999Ms} ms (generator late by ${half.lateP99Ms}), ${half.cpuUs} us`,
    `alone: p50 ${single.p50Ms} p99 ${single.p99Ms} ms`,
    `${blockRows} rows: ${Math.round(block.perSecond)}/s ${block.cpuUs} us`,
    ...(stream === undefined ? [] : [`stream: ${Math.round(stream.perSecond * blockRows)} rows/s`]),
    `${pssMiB} MiB`,
  ].join('; ');
}
