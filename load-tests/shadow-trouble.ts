import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { ModelInferRequest } from '#libs/contracts/generated/inference/v2/inference.js';
import { PredictionBlock } from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { Metrics } from '#libs/telemetry/metrics.js';
import { WriteAheadLog } from '#libs/wal/write-ahead-log.js';
import { Mirror } from '../services/inference-gateway/src/domain/mirror.js';
import { Predictor } from '../services/inference-gateway/src/domain/predictor.js';
import { fromMessage } from '../services/inference-gateway/src/inbound/infer-message.js';
import { inferenceGatewayMetrics } from '../services/inference-gateway/src/inference-gateway.metrics.js';
import { WalPredictionLog } from '../services/inference-gateway/src/outbound/wal-prediction.log.js';
import { FakeFeatures, FakeRunner, flights, live, withCandidate } from '../services/inference-gateway/test/fakes.js';
import { onSchedule, percentile, print } from './load-test.js';

/**
 * Do answers feel a shadow that hangs, is slow or fails? The gateway's own way from request to answer, with its real write-ahead log; features come at once, a model takes 2 ms.
 * Open loop; the troubles and no shadow at all by turns, in one run. Needs no mesh.
 */
const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
  },
});
const [rate, seconds, rounds] = [Number(values.rate), Number(values.seconds), Number(values.rounds)];
const [modelMs, slowMs, shadowMaxRows] = [2, 500, 2_000];
const after = async (ms: number, rows: number): Promise<Float32Array> => {
  await sleep(ms);
  return new Float32Array(rows).fill(0.5);
};
const shadows: Record<string, ((rows: number) => Promise<Float32Array>) | undefined> = {
  none: undefined,
  well: (rows) => after(modelMs, rows),
  slow: (rows) => after(slowMs, rows),
  hangs: () => new Promise(() => {}),
  fails: async () => {
    throw new MillraceError('internal', 'the model does not take this');
  },
};

interface Block {
  readonly p99Ms: number;
  readonly failed: number;
  readonly logged: number;
  readonly shadowed: number;
  readonly notMirrored: number;
}

async function block(shadow: ((rows: number) => Promise<Float32Array>) | undefined): Promise<Block> {
  const folder = mkdtempSync(join(tmpdir(), 'shadow-trouble-'));
  const wal = new WriteAheadLog({ folder, maxBytes: 1e9, fsync: false });
  const log = new WalPredictionLog(wal, inferenceGatewayMetrics(new Metrics('inference-gateway')));
  const runner = new FakeRunner();
  runner.special.set('live', (rows) => after(modelMs, rows));
  if (shadow !== undefined) runner.special.set('shadow', shadow);
  const mirror = new Mirror(runner, log, shadowMaxRows);
  const predictor = new Predictor(new FakeFeatures(), runner, log, mirror, 100_000);
  const endpoint = shadow === undefined ? live : withCandidate({ mirror: true });
  const latenciesMs: number[] = [];
  let failed = 0;
  const ask = async (dueMs: number, i: number): Promise<void> => {
    const request = ModelInferRequest.fromPartial({ modelName: 'late', id: String(i), ...flights(`flight-${i}`) });
    try {
      await predictor.infer(endpoint, fromMessage(endpoint, request), 'load-test', Number.POSITIVE_INFINITY);
      latenciesMs.push(performance.now() - dueMs);
    } catch {
      failed += 1;
    }
  };
  await onSchedule(rate, seconds, ask);
  await mirror.stop(0);
  await log.close();
  const blocks = (await wal.readAfter(0, 1e9)).map(({ payload }) => PredictionBlock.decode(payload));
  await wal.close();
  rmSync(folder, { recursive: true });
  const count = (of: (one: PredictionBlock) => number): number => blocks.reduce((sum, one) => sum + of(one), 0);
  return {
    p99Ms: percentile(latenciesMs, 0.99),
    failed,
    logged: count(({ predictions }) => predictions.length),
    shadowed: count((one) => one.shadows.length + one.failures.length),
    notMirrored: count(({ unmirrored }) => unmirrored.reduce((sum, { rows }) => sum + rows, 0)),
  };
}

await block(shadows['well']); // warm
const found = new Map<string, Block[]>(Object.keys(shadows).map((name) => [name, []]));
for (let round = 0; round < rounds; round += 1)
  for (const [name, shadow] of Object.entries(shadows)) found.get(name)!.push(await block(shadow));
const asked = rate * seconds;
print(
  values.json,
  Object.fromEntries(
    [...found].map(([name, blocks]) => {
      const ratios = blocks.map(({ p99Ms }, i) => p99Ms / found.get('none')![i]!.p99Ms);
      const wrong = blocks.filter(
        ({ failed, logged, shadowed, notMirrored }) =>
          failed > 0 || logged !== asked || (name !== 'none' && shadowed + notMirrored !== asked),
      );
      return [
        name,
        {
          p99Ms: percentile(
            blocks.map(({ p99Ms }) => p99Ms),
            0.5,
          ),
          p99Ratio: percentile(ratios, 0.5),
          notMirrored: blocks.map(({ notMirrored }) => notMirrored),
          blocksNotAddingUp: wrong.length,
        },
      ];
    }),
  ),
);
