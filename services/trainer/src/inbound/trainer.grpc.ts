import { randomUUID } from 'node:crypto';
import {
  type GetRunRequest,
  type ListRunsRequest,
  type ListRunsResponse,
  type Run as RunMessage,
  type StartRunRequest,
  TrainerService,
} from '#libs/contracts/generated/millrace/trainer/v1/trainer.js';
import {
  isTabular,
  type Kind,
  type ModelSpec,
  type PipelineSpec,
  type Specs,
} from '#libs/definitions/definition-kinds.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { type GrpcServer, handle } from '#libs/rpc/grpc-server.js';
import type { CallContext } from '#libs/rpc/served-context.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import type { RunStore } from '../domain/ports.js';
import { hasEnded, metricsOf, type Run } from '../domain/run.js';
import type { RunExecutor } from '../domain/run-executor.js';

const defaultLimit = 20;
const maxLimit = 1_000;
const watchEveryMs = 200;

export class TrainerGrpc {
  constructor(
    private readonly store: RunStore,
    private readonly executor: RunExecutor,
    private readonly definitions: ReadonlyMap<string, Specs[Kind]>,
  ) {}

  serve(server: GrpcServer): void {
    server.addService(TrainerService, {
      startRun: handle.unary((request: StartRunRequest, { caller }: CallContext) => this.start(request, caller.name)),
      getRun: handle.unary(async ({ runId }: GetRunRequest) => this.toMessage(await this.need(runId))),
      watchRun: handle.serverStream(({ runId }: GetRunRequest, context: CallContext) => this.watch(runId, context)),
      listRuns: handle.unary((request: ListRunsRequest) => this.list(request)),
      cancelRun: handle.unary(({ runId }: GetRunRequest) => this.cancel(runId)),
    });
    server.addReflection('millrace/trainer/v1/trainer.proto', `${projectRoot()}/proto`);
  }

  private async start(request: StartRunRequest, requestedBy: string): Promise<RunMessage> {
    const { dataFromMs, dataToMs, validateFromMs } = request;
    const pipeline = this.definition<PipelineSpec>('Pipeline', request.pipeline);
    const model = this.definition<ModelSpec>('Model', pipeline.model);
    if (!isTabular(model))
      throw new MillraceError(
        'failed-precondition',
        `model ${model.name} is of task tensors, which no pipeline trains`,
      );
    if (dataFromMs > 0 && dataToMs > 0 && dataToMs <= dataFromMs)
      throw new MillraceError('invalid-argument', `data_to_ms: ${dataToMs} is not after data_from_ms ${dataFromMs}`);
    if (
      validateFromMs > 0 &&
      ((dataFromMs > 0 && validateFromMs <= dataFromMs) || (dataToMs > 0 && validateFromMs >= dataToMs))
    )
      throw new MillraceError(
        'invalid-argument',
        `validate_from_ms: ${validateFromMs} is not between data_from_ms and data_to_ms`,
      );
    const plan = { pipeline, model, fromMs: dataFromMs, toMs: dataToMs, validateFromMs, requestedBy };
    const run = await this.store.create(
      randomUUID(),
      plan,
      request.reason || 'manual',
      request.idempotencyKey || undefined,
    );
    this.executor.poke();
    return this.toMessage(run);
  }

  private async list({ pipeline, limit }: ListRunsRequest): Promise<ListRunsResponse> {
    if (limit > maxLimit) throw new MillraceError('invalid-argument', `limit: ${limit}; at most ${maxLimit}`);
    return { runs: (await this.store.list(pipeline, limit || defaultLimit)).map((run) => this.toMessage(run)) };
  }

  private async cancel(runId: string): Promise<RunMessage> {
    await this.executor.cancel(await this.need(runId));
    return this.toMessage(await this.need(runId));
  }

  /** The run as it is, then after each change; ends with it. */
  private async *watch(runId: string, { signal }: CallContext): AsyncIterable<RunMessage> {
    let changed = true;
    const onChange = (id: string): void => void (changed ||= id === runId);
    this.executor.on('changed', onChange);
    try {
      while (!signal.aborted) {
        if (changed) {
          changed = false;
          const run = await this.need(runId);
          yield this.toMessage(run);
          if (hasEnded(run.state)) return;
        }
        await new Promise((resolve) => setTimeout(resolve, watchEveryMs));
      }
    } finally {
      this.executor.off('changed', onChange);
    }
  }

  private async need(runId: string): Promise<Run> {
    const run = await this.store.get(runId);
    if (run === undefined) throw new MillraceError('not-found', `there is no run ${runId}`);
    return run;
  }

  private definition<S extends Specs[Kind]>(kind: Kind, name: string): S {
    const found = this.definitions.get(`${kind}/${name}`);
    if (found === undefined) throw new MillraceError('not-found', `there is no ${kind} ${name}`);
    return found as S;
  }

  private toMessage(run: Run): RunMessage {
    const progress = this.executor.progress.get(run.runId);
    const dataset = run.steps[0]?.outputs as { sha256?: string };
    return {
      runId: run.runId,
      pipeline: run.plan.pipeline.name,
      model: run.plan.model.name,
      state: run.state,
      steps: run.steps.map(({ name, state, attempt, startedMs, finishedMs, message }) => ({
        name,
        state,
        attempt,
        startedMs,
        finishedMs,
        progress: state === 'succeeded' ? 1 : state === 'running' ? (progress?.done ?? 0) : 0,
        message: state === 'running' ? (progress?.message ?? '') : message,
      })),
      metrics: { ...metricsOf(run) },
      modelVersion: run.modelVersion,
      datasetSha256: dataset.sha256 ?? '',
      error: run.error,
      reason: run.reason,
      createdMs: run.createdMs,
    };
  }
}
