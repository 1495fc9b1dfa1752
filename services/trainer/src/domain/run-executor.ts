import { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorMessage, MillraceError } from '#libs/errors/millrace-error.js';
import { Rest } from '#libs/rest/rest.js';
import type { Logger } from '#libs/telemetry/logger.js';
import type { TrainerMetrics } from '../trainer.metrics.js';
import type { JobRunner, Mesh, RunStore } from './ports.js';
import { hasEnded, type Run, type RunState, type Step, type StepName } from './run.js';
import { Refused, steps } from './steps.js';

const maxAttempts = 5;
const retryMs = 1_000;
const lookAgainMs = 5_000;

/** Executes runs one after another, oldest first, each from its first step that has not succeeded: so a run goes on after this process was killed. */
export class RunExecutor extends EventEmitter<{ changed: [runId: string] }> {
  /** Of the step that runs now: 0..1. */
  readonly progress = new Map<string, { done: number; message: string }>();
  private current: { runId: string; abort: AbortController; cancelled: boolean } | undefined;
  private readonly rest = new Rest();
  private stopped = false;
  private running: Promise<void> | undefined;

  constructor(
    private readonly store: RunStore,
    private readonly mesh: Mesh,
    private readonly jobs: JobRunner,
    private readonly metrics: TrainerMetrics,
    private readonly logger: Logger,
  ) {
    super();
    this.setMaxListeners(1_000);
  }

  start(): void {
    this.running = this.work();
  }

  /** A run is waiting. */
  poke(): void {
    this.rest.wake();
  }

  /** What runs is broken off, and goes on at the next start. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.current?.abort.abort();
    this.rest.end();
    await this.running;
  }

  async cancel(run: Run): Promise<void> {
    if (hasEnded(run.state)) return;
    if (this.current?.runId === run.runId) {
      this.current.cancelled = true;
      this.current.abort.abort();
    } else await this.end(run.runId, 'cancelled', 'cancelled before it began');
  }

  private async work(): Promise<void> {
    while (!this.stopped) {
      try {
        const run = await this.store.nextUnfinished();
        if (run !== undefined) await this.execute(run);
        else await this.rest.take(lookAgainMs);
      } catch (error) {
        this.logger.warn('runs_wait', { error: errorMessage(error) });
        await this.rest.take(retryMs);
      }
    }
  }

  private async execute(run: Run): Promise<void> {
    const abort = new AbortController();
    const current = { runId: run.runId, abort, cancelled: false };
    this.current = current;
    await this.store.setRun(run.runId, { state: 'running' });
    this.emit('changed', run.runId);
    try {
      for (const { name, state } of run.steps)
        if (state !== 'succeeded') await this.executeStep(run.runId, name, abort.signal);
      const finished = (await this.store.get(run.runId))!;
      await this.end(run.runId, 'succeeded', '', (finished.steps.at(-1)!.outputs as { version?: string }).version);
    } catch (error) {
      if (this.stopped && !current.cancelled) return;
      const state = current.cancelled ? 'cancelled' : error instanceof Refused ? 'refused' : 'failed';
      this.logger.warn('run_ended', { runId: run.runId, state, error: errorMessage(error) });
      await this.end(run.runId, state, errorMessage(error));
    } finally {
      this.current = undefined;
      this.progress.delete(run.runId);
    }
  }

  private async executeStep(runId: string, name: StepName, signal: AbortSignal): Promise<void> {
    for (;;) {
      const run = (await this.store.get(runId))!;
      const before = run.steps.find((step) => step.name === name)!;
      const running: Step = {
        ...before,
        state: 'running',
        attempt: before.attempt + 1,
        startedMs: before.startedMs || Date.now(),
        finishedMs: 0,
        message: '',
      };
      await this.setStep(runId, running);
      try {
        const { outputs, message } = await steps[name]({
          run,
          attempt: running.attempt,
          mesh: this.mesh,
          jobs: this.jobs,
          signal,
          progress: (done, text) => this.report(runId, done, text),
        });
        const finishedMs = Date.now();
        await this.setStep(runId, { ...running, state: 'succeeded', finishedMs, message, outputs });
        this.metrics.stepSeconds.observe({ step: name }, (finishedMs - running.startedMs) / 1_000);
        return;
      } catch (error) {
        const passes =
          error instanceof MillraceError &&
          error.code === 'unavailable' &&
          running.attempt < maxAttempts &&
          !signal.aborted;
        const state = signal.aborted ? (this.stopped ? 'pending' : 'cancelled') : 'failed';
        await this.setStep(runId, {
          ...running,
          state: passes ? 'pending' : state,
          finishedMs: passes ? 0 : Date.now(),
          message: errorMessage(error),
        });
        if (!passes) throw error;
        this.logger.warn('step_tried_again', {
          runId,
          step: name,
          attempt: running.attempt,
          error: errorMessage(error),
        });
        await sleep(retryMs, undefined, { signal }).catch(() => undefined); // broken off: the next attempt says so
      } finally {
        this.progress.delete(runId);
      }
    }
  }

  private async end(runId: string, state: RunState, error: string, modelVersion?: string): Promise<void> {
    await this.store.setRun(runId, { state, error, ...(modelVersion === undefined ? {} : { modelVersion }) });
    const run = (await this.store.get(runId))!;
    this.metrics.runs.inc({ pipeline: run.plan.pipeline.name, state });
    this.emit('changed', runId);
    await this.mesh
      .record(run)
      .catch((failure: unknown) => this.logger.warn('run_not_recorded', { runId, error: errorMessage(failure) }));
  }

  private async setStep(runId: string, step: Step): Promise<void> {
    await this.store.setStep(runId, step);
    this.emit('changed', runId);
  }

  private report(runId: string, done: number, message: string): void {
    this.progress.set(runId, { done, message });
    this.emit('changed', runId);
  }
}
