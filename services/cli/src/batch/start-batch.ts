import { randomUUID } from 'node:crypto';
import type { ClickHouseClient } from '@clickhouse/client';
import { GRPCInferenceServiceClient } from '#libs/contracts/generated/inference/v2/inference.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { Peer } from '#libs/rpc/grpc-client.js';
import {
  type BatchOrder,
  type BatchPlan,
  differencesOfOrders,
  differencesOfPlans,
} from '../domain/batch/batch-plan.js';
import type { BatchProgress } from '../domain/batch/batch-progress.js';
import { type EndpointInputs, endpointInputs, wholeVector } from '../domain/batch/endpoint-inputs.js';
import { beginning } from '../domain/batch/input-row.js';
import { readVector } from '../domain/batch/read-cell.js';
import { askUntilAnswered, type RetryOptions } from '../domain/batch/retry.js';
import { runColumns } from '../domain/batch/run-columns.js';
import { connectClickHouse } from '#libs/storage/clickhouse.js';
import { connectMesh } from '../connection.js';
import { askGateway } from './ask-gateway.js';
import { type BatchInput, openInput } from './batch-input.js';
import { BatchRun } from './batch-run.js';
import type { RunFolder } from './run-folder.js';
import { FileSink, TableSink } from './scores-sink.js';
import { ensureTable, parseTable } from './scores-table.js';
import { describeQuery, spoolQuery } from './spool-query.js';

export interface BatchOptions {
  readonly concurrency: number;
  readonly maxErrors: number;
  /** Of the local scores, before they are one block of a table. */
  readonly blockBytes: number;
  readonly retry: RetryOptions;
  /** What is known when rows are about to be asked. */
  readonly onStart: (plan: BatchPlan, input: BatchInput, progress: BatchProgress) => void;
  readonly onProgress: (progress: BatchProgress) => void;
}

/** Begins a run, or goes on with it. @throws MillraceError; then what was done is kept, and the same order goes on */
export async function runBatch(folder: RunFolder, order: BatchOrder, options: BatchOptions): Promise<BatchProgress> {
  const mesh = connectMesh();
  const clickhouse = connectClickHouse(mesh.clickhouseUrl, 'millrace-batch');
  const peer = new Peer(
    GRPCInferenceServiceClient,
    'inference-gateway',
    mesh.services['inference-gateway'].grpc,
    mesh.token,
  );
  try {
    return await new Starter(folder, order, options, { peer, clickhouse, clickhouseUrl: mesh.clickhouseUrl }).run();
  } finally {
    peer.close();
    await clickhouse.close();
  }
}

/** Removes what a run has made, in its folder and beside its output; a table keeps its rows. */
export function forgetRun(folder: RunFolder): void {
  const output = folder.plan()?.order.output;
  if (output !== undefined && 'path' in output) new FileSink(output.path, output.format).remove();
  folder.clear();
}

interface Servers {
  readonly peer: Peer<GRPCInferenceServiceClient>;
  readonly clickhouse: ClickHouseClient;
  readonly clickhouseUrl: string;
}

class Starter {
  constructor(
    private readonly folder: RunFolder,
    private readonly order: BatchOrder,
    private readonly options: BatchOptions,
    private readonly servers: Servers,
  ) {}

  async run(): Promise<BatchProgress> {
    const { folder, options, order } = this;
    const { peer } = this.servers;
    const before = folder.plan();
    if (before !== undefined) refuseOther(folder, differencesOfOrders(before.order, order));
    const inputs = await this.describe();
    const input = await this.open();
    if (before !== undefined) refuseOther(folder, differencesOfPlans(before, { inputs, inputSha256: input.sha256 }));
    const plan = before ?? (await this.begin(inputs, input));
    const asked = { endpoint: order.endpoint, version: order.version, inputs: plan.inputs, columns: plan.columns };
    options.onStart(plan, input, folder.progress());
    const run = new BatchRun({
      ...options,
      folder,
      plan,
      input,
      sink: this.sink(plan),
      ask: (id) => (rows) => askUntilAnswered(() => askGateway(peer, asked, id, rows), options.retry),
    });
    return run.run();
  }

  private async describe(): Promise<EndpointInputs> {
    const { endpoint, version } = this.order;
    const request = { name: endpoint, version };
    const ask = async (): Promise<EndpointInputs> => {
      const metadata = await this.servers.peer.call((stub) => stub.modelMetadata, request, describeWithinMs);
      return endpointInputs(
        metadata,
        await this.servers.peer.call((stub) => stub.modelConfig, request, describeWithinMs),
      );
    };
    return askUntilAnswered(ask, this.options.retry);
  }

  /** What a query gives is written down before anything of it is asked. */
  private async open(): Promise<BatchInput> {
    const { order, folder } = this;
    if ('path' in order.input) return openInput(order.input.path, order.input.format);
    const path = folder.file('rows.jsonl');
    if (folder.plan() === undefined) {
      await describeQuery(this.servers.clickhouse, order.input.query); // what is no query is said before it is asked
      await spoolQuery(this.servers.clickhouseUrl, order.input.query, path);
    }
    return openInput(path, 'jsonl');
  }

  private async begin(inputs: EndpointInputs, input: BatchInput): Promise<BatchPlan> {
    const { order, folder } = this;
    const typed = await this.typedColumns(input);
    const header = typed.map(({ name }) => name);
    const columns = runColumns(order.endpoint, inputs, header, order.keep);
    const plan = {
      order,
      inputs,
      columns,
      width: columns.vectors ? await widthOf(input) : 0,
      inputSha256: input.sha256,
      inputBytes: input.bytes,
      startedAt: new Date().toISOString(),
      token: randomUUID(),
    };
    if ('table' in order.output) {
      const kept = typed.filter(({ name }) => columns.kept.includes(name));
      await ensureTable(this.servers.clickhouse, parseTable(order.output.table), inputs.score, kept, folder.runId);
    } else new FileSink(order.output.path, order.output.format).checkNew();
    await folder.writePlan(plan);
    return plan;
  }

  /** A file says nothing of types: in a table its columns are text. */
  private async typedColumns({ header }: BatchInput): Promise<{ name: string; type: string }[]> {
    const { input } = this.order;
    if ('query' in input) return describeQuery(this.servers.clickhouse, input.query);
    return header.map((name) => ({ name, type: 'Nullable(String)' }));
  }

  private sink(plan: BatchPlan): FileSink | TableSink {
    const { output } = plan.order;
    if ('path' in output) return new FileSink(output.path, output.format);
    return new TableSink(
      this.servers.clickhouse,
      parseTable(output.table),
      this.folder,
      plan,
      this.options.retry,
      this.options.blockBytes,
    );
  }
}

const describeWithinMs = 10_000;

function refuseOther({ runId }: RunFolder, differences: readonly string[]): void {
  if (differences.length > 0)
    throw new MillraceError(
      'failed-precondition',
      `run ${runId} cannot go on, for it was begun with something else. ${differences.join('; ')}. Name another --run-id, or --fresh to throw away what it has done`,
    );
}

/** Of the first row, which has to be right. No rows = 0. */
async function widthOf(input: BatchInput): Promise<number> {
  for await (const { columns } of input.rows(beginning))
    return readVector(wholeVector, columns?.[wholeVector], undefined).length;
  return 0;
}
