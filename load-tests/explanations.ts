import { parseArgs } from 'node:util';
import { ModelInferRequest } from '#libs/contracts/generated/inference/v2/inference.js';
import { generator } from '#libs/numeric/generator.js';
import { float32Bytes } from '#libs/tensors/tensor-codec.js';
import { token } from '#libs/testing/service-process.js';
import { startServingStack } from '#libs/testing/serving-stack.js';
import { type Answered, offer } from './generator.js';
import { percentile, print } from './load-test.js';
import { ensureModels } from './peers/models.js';
import { featureCount } from './peers/peer.js';
import { peerCache } from './peers/peer-cache.js';
import { cpuUs } from './peers/process-tree.js';

/**
 * What does an explained request cost beside one that is not, and how far is the p99 of other callers moved while somebody asks for explanations, some and as many as are answered? Unary, one row, 100 trees,
 * exact Shapley values against 100 rows, every answer logged; by turns in one run. Gateway and worker have the cores that the generator leaves. Needs Kafka: KAFKA_BROKERS.
 */
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '8' },
    rounds: { type: 'string', default: '5' },
    rate: { type: 'string', default: '300' },
    explained: { type: 'string', default: '20' },
    json: { type: 'boolean', default: false },
  },
});
const [seconds, rounds, rate, some] = [values.seconds, values.rounds, values.rate, values.explained].map(Number) as [
  number,
  number,
  number,
  number,
];
const brokers = process.env['KAFKA_BROKERS'];
if (brokers === undefined) throw new Error('KAFKA_BROKERS: the address of a Kafka, e.g. of a mesh that runs here');
const { all, row } = await ensureModels(peerCache(), (line) => console.error(line));
const model = all.gbt100;
const random = generator(20_010_610);
/** Around the row that is asked, so that trees part there. */
const background = Float32Array.from({ length: 100 * featureCount }, (_, i) => row[i % featureCount]! + random() - 0.5);

const messageOf = (explain: boolean): Uint8Array => {
  const inputs = [{ name: 'features', datatype: 'FP32', shape: [1, featureCount] }];
  const parameters = explain ? { explain: { parameterChoice: { $case: 'boolParam' as const, boolParam: true } } } : {};
  const rawInputContents = [float32Bytes(row)];
  return ModelInferRequest.encode(
    ModelInferRequest.fromPartial({ modelName: model.name, id: '1', inputs, rawInputContents, parameters }),
  ).finish();
};
const models = { [model.name]: model.file };
const stack = await startServingStack({ brokers, models, features: featureCount, background, workers: 1 });
const pids = [stack.gateway.current.pid, ...stack.workers.map(({ current }) => current.pid)];
const [plain, explained] = [messageOf(false), messageOf(true)];

/** @param perSecond on schedule; left out = 64 in flight */
const ask = (message: Uint8Array, perSecond?: number): Promise<Answered> =>
  offer({
    address: stack.gateway.grpcAddress,
    message,
    headers: { authorization: `Bearer ${token}` },
    seconds,
    ...(perSecond === undefined ? {} : { rate: perSecond }),
  });
const okOf = ({ codes }: Answered): number => codes['OK']?.calls ?? 0;
const p99Of = ({ codes }: Answered): number => codes['OK']?.p99Ms ?? Number.NaN;

/** Answers a second, and what one takes of all cores. */
async function cost(message: Uint8Array): Promise<{ perSecond: number; cpu: number }> {
  const before = cpuUs(pids);
  const answered = okOf(await ask(message));
  return { perSecond: answered / seconds, cpu: (cpuUs(pids) - before) / answered };
}

await ask(plain);
await ask(explained); // both warm
const turns = Array.from({ length: rounds }, (_, i) => i);
const [costsPlain, costsExplained]: Awaited<ReturnType<typeof cost>>[][] = [[], []];
const [alone, besideSome, besideAll]: number[][] = [[], [], []];
const refused = new Map<string, number>();
for (const _ of turns) {
  costsPlain!.push(await cost(plain));
  costsExplained!.push(await cost(explained));
  alone!.push(p99Of(noted(await ask(plain, rate))));
  besideSome!.push(p99Of(noted((await Promise.all([ask(plain, rate), ask(explained, some)]))[0])));
  besideAll!.push(p99Of(noted((await Promise.all([ask(plain, rate), ask(explained)]))[0])));
}
const explainedAlone = await ask(explained, some);
await stack.stop();

/** Plain requests that were not answered are told. */
function noted(answered: Answered): Answered {
  for (const [code, { calls }] of Object.entries(answered.codes))
    if (code !== 'OK') refused.set(code, (refused.get(code) ?? 0) + calls);
  return answered;
}

const middle = (numbers: readonly number[]): number => percentile(numbers, 0.5);
const ratioTo = (p99s: readonly number[]): number => middle(p99s.map((p99, i) => p99 / alone![i]!));
print(values.json, {
  plainPerSecond: middle(costsPlain!.map(({ perSecond }) => perSecond)),
  explainedPerSecond: middle(costsExplained!.map(({ perSecond }) => perSecond)),
  plainCpuUs: middle(costsPlain!.map(({ cpu }) => cpu)),
  explainedCpuUs: middle(costsExplained!.map(({ cpu }) => cpu)),
  explainedP50P99Ms: [explainedAlone.codes['OK']?.p50Ms, p99Of(explainedAlone)],
  othersPerSecond: rate,
  othersP99MsAlone: alone,
  [`othersP99MsBeside${some}PerSecond`]: besideSome,
  othersP99MsBeside64InFlight: besideAll,
  ratioBesideSome: ratioTo(besideSome!),
  ratioBeside64InFlight: ratioTo(besideAll!),
  othersNotAnswered: Object.fromEntries(refused),
});
