import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { codeCommit } from '#deploy/local/launcher/code-commit.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { aimsOf } from './aims.js';
import { allPeers } from './all-peers.js';
import type { Comparison, Outcome, PeerResult } from './comparison.js';
import { measureCosts, measureLookup } from './costs.js';
import { buildGenerator } from './generator.js';
import { h2load } from './h2load.js';
import { describeMachine } from './machine.js';
import { toMarkdown } from './markdown.js';
import { blockRows, measure, onnxruntimeAlone } from './measure.js';
import { MillracePeer } from './millrace/millrace.peer.js';
import { ensureModels } from './models.js';
import { peerCache } from './peer-cache.js';
import { type ModelName, modelNames, type Peer } from './peer.js';
import { toPicture } from './picture.js';
import { outcomeLine } from './progress.js';
import { cores } from './start-pinned.js';

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    models: { type: 'string' },
    quick: { type: 'boolean', default: false },
    costs: { type: 'boolean', default: false },
    write: { type: 'string' },
  },
});
const say = (line: string): void => console.error(line);
const lengths = values.quick ? { warmSeconds: 0.5, seconds: 2 } : { warmSeconds: 1, seconds: 4 };
const [date, machine] = [new Date().toISOString(), describeMachine()];
const cache = peerCache();
const binary = buildGenerator();
const models = await ensureModels(cache, say);
const peers = allPeers(cache, say);
const chosen = choice('only', values.only, Object.keys(peers));
const wanted = choice('models', values.models, modelNames) as ModelName[];
// What is not pinned to the servers' core, Kafka's broker too, stays off it.
execFileSync('taskset', ['-a', '-c', '-p', String(cores.generator), String(process.pid)], { stdio: 'ignore' });

const alone: Record<string, { one: number; block: number }> = {};
const outcomes: Record<string, Partial<Record<ModelName, Outcome>>> = {};
const crossCheck: Record<string, number | { problem: string }> = {};
for (const name of wanted) {
  const one = await onnxruntimeAlone(models.all[name], models.row, 1, lengths.seconds / 2);
  const block = await onnxruntimeAlone(models.all[name], models.row, blockRows, lengths.seconds / 2);
  alone[name] = { one: one.rowsPerSecond, block: block.rowsPerSecond };
  say(`${name}: onnxruntime alone ${one.rowsPerSecond} rows/s, in blocks ${block.rowsPerSecond}`);
  for (const key of chosen) {
    const outcome = await tryOne(key, peers[key]!, name, one.scores[0]!);
    (outcomes[key] ??= {})[name] = outcome;
    say(`${name} ${key}: ${outcomeLine(outcome)}`);
  }
}
const whole = values.costs || values.only === undefined;
const costs = whole ? { costs: await tryCosts(), lookup: await tryLookup() } : {};
const results: PeerResult[] = [];
for (const key of chosen) {
  const peer = peers[key]!;
  const version = await peer.version().catch((error: unknown) => `not installed: ${errorMessage(error).slice(0, 200)}`);
  results.push({ key, name: peer.name, note: peer.note, version, models: outcomes[key]! });
  await peer.close?.();
}
const digests = Object.fromEntries(wanted.map((name) => [name, models.all[name].sha256]));
const comparison: Comparison = {
  date,
  commit: codeCommit(projectRoot()),
  machine,
  seconds: lengths.seconds,
  models: digests,
  alone,
  peers: results,
  h2load: crossCheck,
  ...costs,
};
const aims = aimsOf(comparison);
for (const { what, target, figure, met } of aims)
  say(`${met === undefined ? '     ' : met ? 'met   ' : 'MISSED'} ${what}: ${figure} (${target})`);
if (values.write !== undefined) keep(values.write);

function choice(option: string, text: string | undefined, known: readonly string[]): string[] {
  const asked = text === undefined ? [...known] : text.split(',');
  for (const one of asked)
    if (!known.includes(one)) throw new Error(`--${option} ${one}: it is none of ${known.join(', ')}`);
  return asked;
}

async function tryOne(key: string, peer: Peer, name: ModelName, expected: number): Promise<Outcome> {
  try {
    const served = await peer.serve(models.all[name]);
    try {
      const measured = await measure(binary, served, models.row, expected, lengths, peer.streams === true);
      if (name === 'gbt100' && served.protocol === 'grpc')
        crossCheck[key] = await h2load(cache, served, served.request(models.row), lengths.seconds).catch(problem);
      return measured;
    } finally {
      await served.stop();
    }
  } catch (error) {
    return problem(error);
  }
}

async function tryCosts(): Promise<NonNullable<Comparison['costs']>> {
  const peer = new MillracePeer();
  try {
    return await measureCosts(peer, binary, models, lengths, values.quick ? 1 : 3);
  } catch (error) {
    return problem(error);
  } finally {
    await peer.close();
  }
}

function tryLookup(): Promise<NonNullable<Comparison['lookup']>> {
  return measureLookup(lengths.seconds, values.quick ? 1 : 3).catch(problem);
}

function problem(error: unknown): { problem: string } {
  return { problem: errorMessage(error) };
}

/** `<write>.json`, the page `.md` and its picture `.svg`. */
function keep(path: string): void {
  writeFileSync(`${path}.json`, `${JSON.stringify({ ...comparison, aims }, null, 2)}\n`);
  writeFileSync(`${path}.svg`, toPicture(comparison));
  writeFileSync(`${path}.md`, toMarkdown(comparison, aims, `${path.split('/').at(-1)}.svg`));
}
