import { parseArgs } from 'node:util';
import { token } from '#libs/testing/service-process.js';
import { startServingStack } from '#libs/testing/serving-stack.js';
import { offer } from './generator.js';
import { print } from './load-test.js';
import { ensureModels } from './peers/models.js';
import { inferRequest } from './peers/open-inference-messages.js';
import { featureCount } from './peers/peer.js';
import { peerCache } from './peers/peer-cache.js';
import { cpuUs, pssMiB } from './peers/process-tree.js';

/**
 * What do more gateway processes on one machine bring? Unary predictions of one row, 100 trees, every answer logged; 64 in flight over 8 connections. Gateway, worker and generator share the machine: below two cores more
 * than processes it says little beyond that nothing breaks. Needs Kafka: KAFKA_BROKERS.
 */
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    processes: { type: 'string', default: '1,2' },
    json: { type: 'boolean', default: false },
  },
});
const brokers = process.env['KAFKA_BROKERS'];
if (brokers === undefined) throw new Error('KAFKA_BROKERS: the address of a Kafka, e.g. of a mesh that runs here');
const { all, row } = await ensureModels(peerCache(), (line) => console.error(line));
const model = all.gbt100;

async function measure(processes: string): Promise<Record<string, unknown>> {
  const stack = await startServingStack({
    brokers: brokers!,
    models: { [model.name]: model.file },
    features: featureCount,
    workers: 1,
    gatewaySettings: { PROCESSES: processes },
  });
  const asked = {
    address: stack.gateway.grpcAddress,
    message: inferRequest(model.name, 'features', row),
    headers: { authorization: `Bearer ${token}` },
  };
  await offer({ ...asked, seconds: 3 }); // warm
  const gateway = [stack.gateway.current.pid];
  const before = cpuUs(gateway);
  const { OK, ...others } = (await offer({ ...asked, seconds: Number(values.seconds) })).codes;
  const spentUs = cpuUs(gateway) - before;
  const figures = {
    perSecond: Math.round((OK?.calls ?? 0) / Number(values.seconds)),
    p50Ms: OK?.p50Ms,
    p99Ms: OK?.p99Ms,
    gatewayCpuUs: Math.round(spentUs / (OK?.calls ?? 0)),
    gatewayMiB: pssMiB(gateway),
    others,
  };
  await stack.stop();
  return figures;
}

const found: Record<string, unknown> = {};
for (const processes of values.processes.split(',')) found[`processes ${processes}`] = await measure(processes);
print(values.json, found);
