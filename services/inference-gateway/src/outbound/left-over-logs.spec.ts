import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { EncodedRecord } from '#libs/contracts/event-record.js';
import { Logger } from '#libs/telemetry/logger.js';
import { until } from '#libs/testing/until.js';
import { WriteAheadLog } from '#libs/wal/write-ahead-log.js';
import { leftOverFolders, logFolderOf, shareOf } from '../process-share.js';
import type { InferenceGatewaySettings } from '../inference-gateway.settings.js';
import { LeftOverLogs } from './left-over-logs.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'left-over-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const quiet = new Logger('test', 'error', () => undefined);
const openLog = (process: number) =>
  new WriteAheadLog({ folder: logFolderOf(folder, process), maxBytes: 1e9, fsync: false });

/** What a process kept, of which it had shipped so many. */
async function left(process: number, entries: readonly string[], shipped: number): Promise<string> {
  const wal = openLog(process);
  for (const entry of entries) await wal.append(Buffer.from(entry));
  await wal.markShipped(shipped);
  await wal.close();
  return wal.id;
}

function broker() {
  const sent: [key: string, value: string][] = [];
  const state = { away: false, tries: 0 };
  const publish = async (records: readonly EncodedRecord[]) => {
    state.tries += 1;
    if (state.away) throw new Error('broker is away');
    sent.push(...records.map(({ key, value }): [string, string] => [key!.toString(), value.toString()]));
    return new Map<number, number>();
  };
  return { sent, state, publish };
}

it('With fewer processes than before, what the others had kept is shipped by the first, once, in order, when Kafka takes it.', async () => {
  await left(1, ['of a process that there still is'], 0);
  const [two, three] = [await left(2, ['a', 'b', 'c'], 1), await left(3, ['d'], 1)];
  const ten = await left(10, ['e'], 0);
  mkdirSync(join(folder, 'wal-x'));
  const kafka = broker();
  kafka.state.away = true;
  const logs = new LeftOverLogs(leftOverFolders(folder, 2), kafka, quiet, 5);
  logs.start();
  await until(() => kafka.state.tries > 2);
  expect(logs.bytes).toBeGreaterThan(0);
  kafka.state.away = false;
  await until(() => kafka.sent.length === 3);
  await until(() => logs.bytes === 0);
  await logs.stop();
  expect(kafka.sent).toEqual([
    [two, 'b'],
    [two, 'c'],
    [ten, 'e'],
  ]);
  expect(openLog(3).id).toBe(three);

  const again = broker();
  const next = new LeftOverLogs(leftOverFolders(folder, 2), again, quiet, 5);
  next.start();
  await next.stop();
  expect(again.sent).toEqual([]);
  expect(openLog(10).nextSequence).toBe(2); // should its process come again, it goes on
});

it('stops while Kafka is away, and what is left waits for the next start', async () => {
  await left(1, ['a'], 0);
  const kafka = broker();
  kafka.state.away = true;
  const logs = new LeftOverLogs(leftOverFolders(folder, 1), kafka, quiet, 5);
  logs.start();
  await until(() => kafka.state.tries > 0);
  await logs.stop();
  expect(openLog(1).shippedSequence).toBe(0);
});

it('what bounds memory and disk is divided among the processes; a request of 1,000 rows fits in each', () => {
  const whole = {
    WAL_MAX_BYTES: 1_000,
    MAX_CALLS_IN_FLIGHT: 10,
    MIN_CALLS_IN_FLIGHT: 4,
    MAX_ROWS_IN_FLIGHT: 2_000,
    SHADOW_MAX_ROWS: 7,
  } as InferenceGatewaySettings;
  expect(shareOf(whole, 1)).toBe(whole);
  expect(shareOf(whole, 4)).toEqual({
    WAL_MAX_BYTES: 250,
    MAX_CALLS_IN_FLIGHT: 3,
    MIN_CALLS_IN_FLIGHT: 4,
    MAX_ROWS_IN_FLIGHT: 1_000,
    SHADOW_MAX_ROWS: 2,
  });
  expect(shareOf({ ...whole, MAX_ROWS_IN_FLIGHT: 500 }, 4).MAX_ROWS_IN_FLIGHT).toBe(500);
});
