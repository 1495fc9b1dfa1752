import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { Wiring } from '#libs/messaging/wiring.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { serviceNames, services } from './services.js';
import { isPerStream, topicName, type TopicId, topics, type TopicSpec } from './topics.js';

const table = Object.entries(topics) as [TopicId, TopicSpec][];
const readme = readFileSync(join(projectRoot(), 'README.md'), 'utf8');

describe.each(table)('topic %s', (id, spec) => {
  it('has an owner that publishes it, and somebody who reads it', () => {
    expect(spec.publishers).toContain(spec.owner);
    expect(spec.consumers.length).toBeGreaterThan(0);
  });

  it('is in the table of the README', () => {
    expect(readme).toContain(`\`${spec.name}\``);
  });

  it('is spelled with a stream exactly where it has one', () => {
    expect(() => topicName(id, isPerStream(id) ? undefined : 'x')).toThrow(/stream/);
    expect(topicName(id, isPerStream(id) ? 'trips' : undefined)).not.toMatch(/[<>]/);
  });
});

it('services and their ports are those of the README', () => {
  for (const name of serviceNames) expect(readme).toContain(`| [${name}](services/${name})`);
  for (const { grpcPort, httpPort } of Object.values(services))
    expect(readme).toContain(`| ${grpcPort} | ${httpPort} |`);
});

it('a service that is wired otherwise than the table says is told every difference', () => {
  const wiring = new Wiring();
  wiring.addPublisher('validEvents');
  wiring.addConsumer('routesChanged');
  expect(wiring.problems('ingest')).toEqual([
    'ingest should publish rawEvents and does not',
    'ingest publishes validEvents, which the table does not say',
    'ingest should consume definitionsChanged and does not',
    'ingest consumes routesChanged, which the table does not say',
    'ingest should publish auditRecorded and does not',
  ]);
});
