import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { consoleUrl } from '#libs/boot/mesh-state.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { writeHistory } from '../../../examples/flights/src/flight-history.js';
import { Narrator } from '../../../examples/flights/src/narrator.js';
import { runStory } from '../../../examples/flights/src/story.js';
import { problemsOf } from '../../../examples/flights/src/account-problems.js';
import { printAccount } from '../../../examples/flights/src/print-account.js';
import { ensureTrainingPython } from './training-python.js';
import { type Mesh, startMesh } from './mesh.js';

const usage = `npm start -- [options]
  --once         run the example, print its account, stop; exit 1 when something failed
  --fresh        forget the data of earlier runs first (what was downloaded is kept)
  --json         progress on stderr, and the account as one JSON object in the last line of stdout
  --days <n>     predict only the first n days of 10 to 30 June
  --hub <code>   flights from or to this airport (DEN); none = all 229 airports
  --no-example   start the mesh alone`;

const { values } = parseArgs({
  options: {
    once: { type: 'boolean', default: false },
    fresh: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    days: { type: 'string', default: '21' },
    hub: { type: 'string', default: 'DEN' },
    'no-example': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(usage);
  process.exit(0);
}
const days = Number(values.days);
if (!Number.isInteger(days) || days < 1 || days > 21) {
  console.error(`--days: "${values.days}" is not a whole number from 1 to 21`);
  process.exit(2);
}
const startedMs = Number(process.env['MILLRACE_STARTED_MS'] ?? Date.now());
const dataDir = resolve(process.env['MILLRACE_DATA'] ?? join(projectRoot(), '.millrace'));
const narrator = new Narrator(values.json ? process.stderr : process.stdout);

let mesh: Mesh | undefined;
let stopping: Promise<void> | undefined;
const stop = (code: number): Promise<void> =>
  (stopping ??= (async () => {
    narrator.step('stopping');
    await mesh?.stop();
    process.exit(code);
  })());
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void stop(0));

try {
  const history = writeHistory({
    hub: values.hub === 'none' ? undefined : values.hub,
    from: '2001-04-09',
    folder: join(dataDir, 'sources', 'flights'),
  });
  narrator.step('starting Kafka, ClickHouse, Redis, Postgres and ten services');
  mesh = await startMesh({
    dataDir,
    fresh: values.fresh,
    onProgress: (line) => narrator.line(line),
    python: ensureTrainingPython((line) => narrator.line(line)),
  });
  for (const [name, { grpc, http }] of Object.entries(mesh.state.services))
    narrator.line(`${name.padEnd(18)} grpc ${grpc}  http ${http}`);
  if (!values['no-example']) {
    const account = await runStory(mesh.state, { history: await history, days, hub: values.hub, startedMs }, narrator);
    printAccount(account, narrator);
    const problems = problemsOf(account, values.hub === 'DEN' && days === 21);
    for (const problem of problems) narrator.problem(problem);
    if (values.json) console.log(JSON.stringify(account));
    if (values.once) await stop(problems.length === 0 ? 0 : 1);
  }
  if (values.once) await stop(0);
  narrator.step(`console  ${consoleUrl(mesh.state)}`);
  narrator.step(
    'the mesh stays up: try `npx millrace status`, `npx millrace logs`, `npx millrace get`; Ctrl-C stops it',
  );
} catch (error) {
  if (stopping === undefined) {
    narrator.problem(errorMessage(error));
    await stop(1);
  }
}
