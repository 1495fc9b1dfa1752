import { describe, expect, it } from '@jest/globals';
import { ModelVersion } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Metrics as Registry } from '#libs/telemetry/metrics.js';
import { planOf } from '../../test/plan.js';
import { MemoryRunStore } from '../outbound/memory-run.store.js';
import { trainerMetrics } from '../trainer.metrics.js';
import { type JobQuestion, type JobResult, JobRunner, Mesh, type Registered } from './ports.js';
import { hasEnded, type Run, type StepOutputs } from './run.js';
import { RunExecutor } from './run-executor.js';

class FakeJobs extends JobRunner {
  readonly asked: string[] = [];
  /** What happens instead, by step: an error, or never ending. */
  readonly instead = new Map<string, Error | 'hangs'>();
  auc = 0.9;
  passed = 1;

  override async run(
    { kind }: JobQuestion,
    onProgress: (done: number, message: string) => void,
    signal: AbortSignal,
  ): Promise<JobResult> {
    this.asked.push(kind);
    const instead = this.instead.get(kind);
    if (instead === 'hangs')
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('broken off'))));
    if (instead instanceof Error) {
      this.instead.delete(kind);
      throw instead;
    }
    onProgress(0.5, 'half');
    const file = (name: string) => ({ path: `/work/${name}`, sha256: name });
    return {
      metrics:
        kind === 'parity'
          ? { 'parity.passed': this.passed, 'parity.maxAbsDiff': 1e-7 }
          : { 'validate.auc': this.auc, 'validate.logloss': 0.3 },
      artifacts: new Map([
        ['model', file('model.txt')],
        ['onnx', file('model.onnx')],
        ['reference', file('reference.json')],
        ['background', file('background.f32')],
      ]),
      onnx: { input: 'input', output: 'probabilities' },
    };
  }
}

class FakeMesh extends Mesh {
  readonly recorded: string[] = [];
  registered = 0;
  override watermark = async (): Promise<number> => 1_000;
  override buildDataset = async (): Promise<StepOutputs['dataset']> => ({
    sha256: 'd',
    rows: 10,
    features: ['f'],
    digest: 'dig',
  });
  override liveVersion = async (): Promise<{ version: ModelVersion; onnxPath: string } | undefined> => undefined;
  override record = async (run: Run): Promise<void> => void this.recorded.push(run.state);
  override async register(): Promise<Registered> {
    this.registered += 1;
    return { version: '7', live: ['e'], rollouts: [{ id: 'r1', endpoint: 'other', state: 'shadow' }] };
  }
}

function setUp(store = new MemoryRunStore()) {
  const [jobs, mesh] = [new FakeJobs(), new FakeMesh()];
  const executor = new RunExecutor(
    store,
    mesh,
    jobs,
    trainerMetrics(new Registry('test')),
    new Logger('test', 'error', () => undefined),
  );
  executor.start();
  const start = async (): Promise<string> => {
    const { runId } = await store.create(crypto.randomUUID(), planOf('p'), 'manual', undefined);
    executor.poke();
    return runId;
  };
  const until = async (runId: string, reached: (run: Run) => boolean): Promise<Run> => {
    for (let i = 0; i < 1_000; i++) {
      const run = (await store.get(runId))!;
      if (reached(run)) return run;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    throw new Error('waited in vain');
  };
  const ended = (runId: string): Promise<Run> => until(runId, ({ state }) => hasEnded(state));
  return { store, jobs, mesh, executor, start, until, ended };
}

describe('a run', () => {
  it('goes through its steps in order, and ends with a version', async () => {
    const { jobs, mesh, executor, start, ended } = setUp();
    const run = await ended(await start());
    expect(run).toMatchObject({ state: 'succeeded', modelVersion: '7', error: '' });
    expect(run.steps.every(({ state, attempt }) => state === 'succeeded' && attempt === 1)).toBe(true);
    expect(jobs.asked).toEqual(['train', 'evaluate', 'convert', 'parity']);
    expect(mesh.registered).toBe(1);
    expect(mesh.recorded).toEqual(['succeeded']);
    await executor.stop();
  });

  it('goes on from its first step that has not succeeded, when its process was killed', async () => {
    const first = setUp();
    first.jobs.instead.set('convert', 'hangs');
    const runId = await first.start();
    await first.until(runId, ({ steps }) => steps[3]!.state === 'running');
    // Nothing more of the first process happens: kill -9. Another one finds the store as it is.
    const second = setUp(first.store);
    const run = await second.ended(runId);
    expect(run.state).toBe('succeeded');
    expect(second.jobs.asked).toEqual(['convert', 'parity']);
    expect(run.steps.map(({ attempt }) => attempt)).toEqual([1, 1, 1, 2, 1, 1, 1]);
    await second.executor.stop();
    first.executor.removeAllListeners();
  });

  it('goes on after a stop, too', async () => {
    const first = setUp();
    first.jobs.instead.set('train', 'hangs');
    const runId = await first.start();
    await first.until(runId, ({ steps }) => steps[1]!.state === 'running');
    await first.executor.stop();
    expect((await first.store.get(runId))!.state).toBe('running');
    const second = setUp(first.store);
    expect((await second.ended(runId)).state).toBe('succeeded');
    await second.executor.stop();
  });

  it('is refused by a gate that does not hold, with its values, and registers nothing', async () => {
    const { jobs, mesh, executor, start, ended } = setUp();
    jobs.auc = 0.4;
    const run = await ended(await start());
    expect(run).toMatchObject({
      state: 'refused',
      error: 'gate `validate.auc >= 0.5` does not hold: validate.auc is 0.4',
    });
    expect(mesh.registered).toBe(0);
    await executor.stop();
  });

  it('is refused when the converted model says something else', async () => {
    const { jobs, executor, start, ended } = setUp();
    jobs.passed = 0;
    expect(await ended(await start())).toMatchObject({ state: 'refused', error: expect.stringMatching(/^parity/) });
    await executor.stop();
  });

  it('tries a step again after what passes, and fails plainly after what does not', async () => {
    const { jobs, executor, start, ended } = setUp();
    jobs.instead.set('train', new MillraceError('unavailable', 'killed from outside'));
    const again = await ended(await start());
    expect(again.state).toBe('succeeded');
    expect(again.steps[1]!.attempt).toBe(2);
    jobs.instead.set('train', new MillraceError('failed-precondition', 'data-one-class: only one class'));
    const failed = await ended(await start());
    expect(failed).toMatchObject({ state: 'failed', error: 'data-one-class: only one class' });
    expect(failed.steps[1]!.state).toBe('failed');
    expect(failed.steps[2]!.state).toBe('pending');
    await executor.stop();
  });

  it('can be cancelled while it runs', async () => {
    const { jobs, executor, start, until, ended } = setUp();
    jobs.instead.set('evaluate', 'hangs');
    const runId = await start();
    await executor.cancel(await until(runId, ({ steps }) => steps[2]!.state === 'running'));
    expect(await ended(runId)).toMatchObject({ state: 'cancelled' });
    await executor.stop();
  });
});
