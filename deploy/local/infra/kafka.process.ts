import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Kafka, logLevel } from 'kafkajs';
import { projectRoot } from '#libs/storage/sql-file.js';
import type { LocalFolder } from './local-folder.js';
import { SupervisedProcess } from './supervised-process.js';
import { requireTool } from './tools.js';

const run = promisify(execFile);
const jvmLimits = [
  '-Xms64m',
  '-Xmx384m',
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-Xss512k',
  '-XX:MaxMetaspaceSize=192m',
  '-XX:+ExitOnOutOfMemoryError',
];

/** A single-node Apache Kafka in KRaft mode: jars by Maven once, formatted once, ready when its controller answers. */
export async function startKafka(
  folder: LocalFolder,
  onProgress: (line: string) => void,
): Promise<{ address: string; process: SupervisedProcess }> {
  await requireTool(
    'java',
    ['-version'],
    'Java 17 or later (a JRE is enough), e.g. `apt-get install openjdk-17-jre-headless`',
  );
  const home = await ensureJars(folder, onProgress);
  const [port, controllerPort] = [await folder.port('kafka', 29092), await folder.port('kafka-controller', 29093)];
  const data = folder.data('kafka');
  const config = join(data, 'server.properties');
  writeFileSync(config, serverProperties(port, controllerPort, join(data, 'log')));
  const classPath = join(home, 'lib', '*');
  if (!existsSync(join(data, 'log', 'meta.properties'))) {
    const id = `M${randomBytes(16).toString('base64url').slice(1)}`; // one that began with '-' would be taken for an option
    await run('java', ['-cp', classPath, 'kafka.tools.StorageTool', 'format', '-t', id, '-c', config]);
  }
  const process = new SupervisedProcess({
    name: 'kafka',
    command: 'java',
    args: [
      ...jvmLimits,
      ...sharedClasses(home),
      '-Djava.awt.headless=true',
      `-Dlog4j2.configurationFile=${join(projectRoot(), 'deploy/local/kafka/log4j2.properties')}`,
      '-cp',
      classPath,
      'kafka.Kafka',
      config,
    ],
    env: { PATH: globalThis.process.env['PATH'] ?? '' },
    cwd: data,
    logFile: folder.log('kafka'),
    pidFile: folder.pid('kafka'),
    restart: true,
    ready: () => answers(`127.0.0.1:${port}`),
    readyTimeoutMs: 60_000,
    stopGraceMs: 10_000,
  });
  await process.start();
  return { address: `127.0.0.1:${port}`, process };
}

/** Kept by the hash of the pom: another version is another folder. */
async function ensureJars(folder: LocalFolder, onProgress: (line: string) => void): Promise<string> {
  const pom = join(projectRoot(), 'deploy/local/kafka/pom.xml');
  const home = folder.cache(`kafka-${createHash('sha256').update(readFileSync(pom)).digest('hex').slice(0, 12)}`);
  if (existsSync(join(home, 'lib'))) return home;
  await requireTool('mvn', ['-v'], 'Apache Maven, e.g. `apt-get install maven`');
  onProgress('kafka: fetching jars by Maven');
  mkdirSync(home, { recursive: true });
  copyFileSync(pom, join(home, 'pom.xml'));
  const goal = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';
  await run(
    'mvn',
    [
      '-q',
      '-B',
      '-f',
      join(home, 'pom.xml'),
      goal,
      `-DoutputDirectory=${join(home, 'lib.part')}`,
      '-DincludeScope=runtime',
    ],
    { maxBuffer: 16 * 1024 * 1024 },
  );
  renameSync(join(home, 'lib.part'), join(home, 'lib'));
  return home;
}

/** Class data sharing takes a second and a half off the start; the archive is written when Kafka ends for the first time. */
function sharedClasses(home: string): string[] {
  const archive = join(home, 'classes.jsa');
  return existsSync(archive)
    ? [`-XX:SharedArchiveFile=${archive}`, '-Xlog:cds=off', '-Xlog:cds+dynamic=off']
    : [`-XX:ArchiveClassesAtExit=${archive}`, '-Xlog:cds=off', '-Xlog:cds+dynamic=off'];
}

async function answers(broker: string): Promise<boolean> {
  const admin = new Kafka({
    brokers: [broker],
    logLevel: logLevel.NOTHING,
    retry: { retries: 0 },
    connectionTimeout: 1_000,
  }).admin();
  try {
    await admin.connect();
    const { brokers, controller } = await admin.describeCluster();
    return brokers.length > 0 && controller !== null;
  } catch {
    return false; // not up yet: the caller asks again
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}

/** broker.session.timeout.ms: with its default a broker that was killed is refused for nine seconds on return. */
function serverProperties(port: number, controllerPort: number, logDir: string): string {
  return Object.entries({
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'inter.broker.listener.name': 'PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'log.dirs': logDir,
    'auto.create.topics.enable': false,
    'default.replication.factor': 1,
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'transaction.state.log.num.partitions': 4,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
    'group.initial.rebalance.delay.ms': 0,
    'broker.session.timeout.ms': 2000,
    'broker.heartbeat.interval.ms': 500,
    'log.cleaner.dedupe.buffer.size': 8388608,
    'log.segment.bytes': 67108864,
    'num.network.threads': 2,
    'num.io.threads': 4,
  })
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');
}
