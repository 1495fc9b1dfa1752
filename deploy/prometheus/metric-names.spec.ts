import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { serviceNames, services } from '#libs/contracts/services.js';
import { projectRoot } from '#libs/storage/sql-file.js';

const read = (path: string): string => readFileSync(join(projectRoot(), path), 'utf8');
const filesOf = (folder: string): string[] =>
  readdirSync(join(projectRoot(), folder)).map((file) => read(`${folder}/${file}`));

/** Every metric that a service declares; a histogram has three series. */
function declared(): Set<string> {
  const tables = serviceNames.flatMap((name) =>
    readdirSync(join(projectRoot(), 'services', name, 'src'))
      .filter((file) => file.endsWith('.metrics.ts'))
      .map((file) => read(`services/${name}/src/${file}`)),
  );
  const names = tables.flatMap((table) => [...table.matchAll(/name: '(millrace_\w+)'/g)].map((match) => match[1]!));
  return new Set(names.flatMap((name) => [name, ...['_bucket', '_sum', '_count'].map((suffix) => name + suffix)]));
}

it('rules and dashboards read metrics that a service declares', () => {
  const texts = [...filesOf('deploy/prometheus/rules'), ...filesOf('deploy/grafana/dashboards')];
  const used = texts.flatMap((text) => [...text.matchAll(/(?<![:\w])millrace_\w+/g)].map((match) => match[0]));
  const known = declared();
  expect(used.length).toBeGreaterThan(20);
  expect(used.filter((name) => !known.has(name))).toEqual([]);
});

it('dashboards read recorded series that a rule records', () => {
  const recorded = new Set(read('deploy/prometheus/rules/recording.yml').match(/(?<=record: )\S+/g));
  const used = [...filesOf('deploy/grafana/dashboards'), read('deploy/prometheus/rules/alerts.yml')].flatMap((text) =>
    [...text.matchAll(/endpoint:millrace_\w+:\w+/g)].map((match) => match[0]),
  );
  expect(used.length).toBeGreaterThan(10);
  expect(used.filter((name) => !recorded.has(name))).toEqual([]);
});

it('every service is scraped', () => {
  const config = read('deploy/prometheus/prometheus.yml');
  for (const name of serviceNames) expect(config).toContain(`127.0.0.1:${services[name].httpPort} # ${name}`);
});
