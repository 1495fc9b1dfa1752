import { RunStore } from '../domain/ports.js';
import { hasEnded, type Run, type RunPlan, type RunState, type Step, stepNames } from '../domain/run.js';

/** Runs in memory, for unit tests; it keeps the contract of test/run-store.contract.ts as Postgres does. */
export class MemoryRunStore extends RunStore {
  private readonly runs = new Map<string, Run>();
  private readonly keys = new Map<string, string>();

  override async create(
    runId: string,
    plan: RunPlan,
    reason: string,
    idempotencyKey: string | undefined,
  ): Promise<Run> {
    const before = idempotencyKey === undefined ? undefined : this.keys.get(idempotencyKey);
    if (before !== undefined) return this.runs.get(before)!;
    const steps = stepNames.map((name): Step => ({
      name,
      state: 'pending',
      attempt: 0,
      startedMs: 0,
      finishedMs: 0,
      message: '',
      outputs: {},
    }));
    const run: Run = {
      runId,
      state: 'pending',
      reason,
      plan,
      error: '',
      modelVersion: '',
      createdMs: Date.now(),
      steps,
    };
    this.runs.set(runId, run);
    if (idempotencyKey !== undefined) this.keys.set(idempotencyKey, runId);
    return run;
  }

  override async get(runId: string): Promise<Run | undefined> {
    return this.runs.get(runId);
  }

  override async list(pipeline: string, limit: number): Promise<Run[]> {
    const wanted = [...this.runs.values()].filter((run) => pipeline === '' || run.plan.pipeline.name === pipeline);
    return wanted.sort((a, b) => b.createdMs - a.createdMs || (a.runId < b.runId ? -1 : 1)).slice(0, limit);
  }

  override async nextUnfinished(): Promise<Run | undefined> {
    const waiting = [...this.runs.values()].filter(({ state }) => !hasEnded(state));
    const rank = (run: Run): number => (run.state === 'running' ? 0 : 1);
    return waiting.sort((a, b) => rank(a) - rank(b) || a.createdMs - b.createdMs || (a.runId < b.runId ? -1 : 1))[0];
  }

  override async isUnderWay(pipeline: string): Promise<boolean> {
    return [...this.runs.values()].some(({ plan, state }) => plan.pipeline.name === pipeline && !hasEnded(state));
  }

  override async setRun(
    runId: string,
    change: { state: RunState; error?: string; modelVersion?: string },
  ): Promise<void> {
    this.runs.set(runId, { ...this.runs.get(runId)!, ...change });
  }

  override async setStep(runId: string, step: Step): Promise<void> {
    const run = this.runs.get(runId)!;
    this.runs.set(runId, { ...run, steps: run.steps.map((one) => (one.name === step.name ? step : one)) });
  }
}
