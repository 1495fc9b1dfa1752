import type { Run } from '#libs/contracts/generated/millrace/trainer/v1/trainer.js';
import { type MeshClient, patiently } from './mesh-client.js';
import type { Narrator } from './narrator.js';

export interface RunRequest {
  readonly pipeline: string;
  /** The same key gives the run that it gave before. */
  readonly idempotencyKey: string;
  /** Event time, epoch ms; 0 = as the pipeline says. */
  readonly dataFromMs: number;
  readonly dataToMs: number;
  readonly validateFromMs: number;
}

/** Starts a run, or finds the one of before, and tells its steps as they succeed. @returns the run when it has ended, however */
export async function runPipeline(client: MeshClient, request: RunRequest, narrator: Narrator): Promise<Run> {
  const started = await patiently(
    () => client.trainer.call((stub) => stub.startRun, { ...request, reason: 'manual' }, 10_000),
    120_000,
    ['not-found'],
  );
  return watchRun(client, started, narrator);
}

/** Tells the steps of a run that somebody has started as they succeed. @returns the run when it has ended, however */
export async function watchRun(client: MeshClient, started: Run, narrator: Narrator): Promise<Run> {
  const told = new Set<string>();
  return patiently(async () => {
    let last = started;
    for await (const state of client.trainer.stream((stub) => stub.watchRun, { runId: started.runId }, 900_000)) {
      last = state;
      for (const { name, state: stepState, startedMs, finishedMs, message } of state.steps) {
        if (stepState !== 'succeeded' || told.has(name)) continue;
        told.add(name);
        narrator.line(`${name.padEnd(9)} ${((finishedMs - startedMs) / 1_000).toFixed(1).padStart(5)} s  ${message}`);
      }
    }
    return last;
  }, 300_000);
}
