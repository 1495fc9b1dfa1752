import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createClient } from '@clickhouse/client';
import { MonitorClient } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { histogramOf, quantileEdges } from '#libs/numeric/drift/histogram.js';
import { Peer } from '#libs/rpc/grpc-client.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { connect, print } from './load-test.js';

/**
 * How long does it take to say how far each of 20 features has drifted, over 10 million logged values? Asks GetDrift of a running mesh, and with `--evidently <python>` (an
 * interpreter that has evidently) Evidently's PSI of the same rows, with the rows in its memory already. Its rows have an endpoint of their own.
 */
const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '500000' },
    features: { type: 'string', default: '20' },
    evidently: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const [rows, features] = [Number(values.rows), Number(values.features)];
const referenceRows = 20_000;
const { mesh } = connect();
const name = `drift-${randomBytes(4).toString('hex')}`;
const clickhouse = createClient({ url: mesh.clickhouseUrl, request_timeout: 300_000 });
const monitor = new Peer(MonitorClient, 'monitor', mesh.services.monitor.grpc, mesh.token);

// Logged values come from hashes of row and feature, the reference from the same law: uniform, and moved a little in the later features.
await clickhouse.command({
  query: `INSERT INTO monitoring.predictions (prediction_id, endpoint, model, model_version, as_of, answered_at, features, score)
    SELECT concat({name: String}, toString(number)), {name: String}, {name: String}, '1', fromUnixTimestamp64Milli(toInt64(1000000 + number)), now64(3),
      arrayMap(i -> toFloat32(cityHash64(number, i) % 1000003 / 1000003 + i / 200), range({features: UInt32})), toFloat32(number % 1009 / 1009)
    FROM numbers({rows: UInt64})`,
  query_params: { name, features, rows },
});
const reference = Float32Array.from({ length: referenceRows }, (_, i) => ((i * 7_919) % 20_011) / 20_011);
const { edges, counts } = histogramOf(reference, quantileEdges(reference));
await clickhouse.insert({
  table: 'monitoring.references',
  format: 'JSONEachRow',
  values: Array.from({ length: features }, (_, i) => ({
    model: name,
    version: '1',
    position: i + 1,
    feature: `f${i + 1}`,
    edges: Array.from(edges),
    counts: Array.from(counts),
    nulls: 0,
    deviation: 1 / Math.sqrt(12),
  })),
});

const seconds: number[] = [];
for (let round = 0; round < 3; round += 1) {
  const beganMs = performance.now();
  const found = await monitor.call(
    (stub) => stub.getDrift,
    { endpoint: name, modelVersion: '1', fromMs: 1, toMs: 0 },
    300_000,
  );
  seconds.push(Number(((performance.now() - beganMs) / 1_000).toFixed(3)));
  if (found.rows !== rows || found.features.length !== features || found.features[0]!.feature !== `f${features}`)
    throw new Error(
      `GetDrift answers of ${found.rows} rows and ${found.features.length} features, and puts ${found.features[0]?.feature} first`,
    );
}
print(values.json, {
  values: rows * features,
  secondsFirst: seconds[0],
  secondsThen: Math.min(...seconds.slice(1)),
  ...(values.evidently === undefined ? {} : { secondsEvidently: await byEvidently(values.evidently) }),
});
monitor.close();
await clickhouse.close();

async function byEvidently(python: string): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-drift-'));
  const [before, now] = [join(folder, 'reference'), join(folder, 'current')];
  try {
    writeFileSync(
      before,
      Float32Array.from({ length: referenceRows * features }, (_, i) => reference[Math.floor(i / features)]!),
    );
    const { stream } = await clickhouse.exec({
      query: 'SELECT arrayJoin(features) FROM monitoring.predictions WHERE endpoint = {name: String} FORMAT RowBinary',
      query_params: { name },
    });
    const parts: Buffer[] = [];
    for await (const part of stream) parts.push(part as Buffer);
    writeFileSync(now, Buffer.concat(parts));
    const script = join(projectRoot(), 'load-tests/drift_by_evidently.py');
    const answer = execFileSync(python, [script, String(features), before, now], { encoding: 'utf8' });
    return (JSON.parse(answer.trim().split('\n').at(-1)!) as { seconds: number }).seconds;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
