import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { openInput } from '../src/batch/batch-input.js';
import { BatchRun } from '../src/batch/batch-run.js';
import { RunFolder } from '../src/batch/run-folder.js';
import { FileSink } from '../src/batch/scores-sink.js';
import type { AskTogether } from '../src/domain/batch/ask-rows.js';
import type { BatchPlan, OutputFormat } from '../src/domain/batch/batch-plan.js';
import { type BatchProgress, nothingDone } from '../src/domain/batch/batch-progress.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-run-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const count = 200;

function planOf(format: OutputFormat): BatchPlan {
  const sent = [{ name: 'n', datatype: 'INT32', optional: false }] as const;
  return {
    order: {
      endpoint: 'late',
      version: '',
      input: { path: join(folder, 'in.jsonl'), format: 'jsonl' },
      output: { path: join(folder, `out.${format}`), format },
      rowsPerRequest: 10,
    },
    inputs: { columns: sent, score: 'probability' },
    columns: { sent, vectors: false, kept: ['n'] },
    width: 0,
    inputSha256: '',
    inputBytes: 0,
    startedAt: '',
    token: '',
  };
}

/** Every 33rd row cannot be read, every 41st is refused. Answers come in any order. */
function writeInput(): void {
  const lines = Array.from({ length: count }, (_, i) => ((i + 1) % 33 === 0 ? '{' : `{"n":${i + 1}}`));
  writeFileSync(join(folder, 'in.jsonl'), lines.join('\n'));
}

/** @param failAt the request that breaks the run; counted from 0 */
function gateway(failAt: number): (id: string) => AskTogether {
  let calls = 0;
  return () => async (rows) => {
    const call = calls++;
    await new Promise((resolve) => setTimeout(resolve, (call * 7) % 3));
    if (call === failAt) throw new MillraceError('internal', 'broken off');
    if (rows.some(({ row }) => row % 41 === 0)) throw new MillraceError('invalid-argument', 'refused');
    return rows.map(({ row }) => ({ score: row / 1_000, predictionId: 'p', version: '1', fallback: false }));
  };
}

async function attempt(format: OutputFormat, failAt = Infinity, maxErrors = 100): Promise<BatchProgress> {
  const plan = planOf(format);
  const sink = new FileSink((plan.order.output as { path: string }).path, format);
  const run = RunFolder.take(join(folder, 'runs'), 'r');
  try {
    const input = await openInput(join(folder, 'in.jsonl'), 'jsonl');
    const parts = { folder: run, plan, input, sink, ask: gateway(failAt), concurrency: 3, maxErrors };
    return await new BatchRun({ ...parts, onProgress: () => undefined }).run();
  } finally {
    run.release();
  }
}

const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
const clear = (): void => {
  for (const name of ['runs', 'out.csv', 'out.jsonl', 'out.csv.part', 'out.csv.rejected.jsonl'])
    rmSync(join(folder, name), { recursive: true, force: true });
};

describe('a run', () => {
  it('that is broken off anywhere, and whose last writes are torn, ends in the same files', async () => {
    writeInput();
    const whole = await attempt('csv');
    const [scores, rejected] = [read('out.csv'), read('out.csv.rejected.jsonl')];
    expect(scores.split('\n')).toHaveLength(1 + whole.answered + 1);
    expect(whole).toMatchObject({ answered: 190, rejected: 10, place: { row: count } });
    const torn = fc.record({
      failAt: fc.nat(12),
      tail: fc.constantFrom('', '7,7,', '7,7\n'.repeat(5_000)),
      keeps: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(torn, { maxLength: 6 }), async (breaks) => {
        clear();
        for (const { failAt, tail, keeps } of breaks) {
          const failed = await attempt('csv', failAt).catch((error: unknown) => error);
          if (!(failed instanceof Error)) break; // it had less to ask than that
          // As a kill leaves it: more is written than was written down.
          appendFileSync(join(folder, 'out.csv.part'), tail);
          appendFileSync(join(folder, 'out.csv.rejected.jsonl'), tail);
          if (keeps)
            writeFileSync(join(folder, 'runs/r/lock'), JSON.stringify({ host: '', pid: 0, id: '' }).slice(0, 9));
        }
        const ended = existsSync(join(folder, 'out.csv')) ? undefined : await attempt('csv');
        expect([read('out.csv'), read('out.csv.rejected.jsonl')]).toEqual([scores, rejected]);
        if (ended !== undefined) expect(ended).toEqual({ ...whole, endedAt: ended.endedAt });
      }),
      { numRuns: 25 },
    );
  }, 60_000);

  it('that was killed between the name of its output and its last note has ended all the same', async () => {
    writeInput();
    const { endedAt, ...progress } = await attempt('jsonl');
    expect(endedAt).toBeDefined();
    const before = read('out.jsonl');
    writeFileSync(join(folder, 'runs/r/progress.json'), JSON.stringify(progress));
    expect(await attempt('jsonl', 0)).toMatchObject({ answered: 190, endedAt: expect.any(String) });
    expect(read('out.jsonl')).toBe(before);
  });

  it('does not go on with an output that somebody has cut', async () => {
    writeInput();
    await expect(attempt('jsonl', 8)).rejects.toThrow('broken off');
    truncateSync(join(folder, 'out.jsonl.part'), 5);
    await expect(attempt('jsonl')).rejects.toThrow(/out\.jsonl\.part has 5 bytes, and \d+ were written/);
  });

  it('ends where too many rows are refused, with the first that is too many, and keeps what was done', async () => {
    writeInput();
    await expect(attempt('jsonl', Infinity, 3)).rejects.toThrow(
      /^row 82 \(line 82\): refused; more than --max-errors 3/,
    );
    expect(existsSync(join(folder, 'out.jsonl'))).toBe(false);
    expect(await attempt('jsonl')).toMatchObject({ answered: 190, rejected: 10 });
  });

  it('of no rows is an output of none', async () => {
    writeFileSync(join(folder, 'in.jsonl'), '\n');
    expect(await attempt('csv')).toEqual({ ...nothingDone, outputBytes: 55, endedAt: expect.any(String) });
    expect(read('out.csv')).toBe('row,n,probability,prediction_id,model_version,fallback\n');
  });

  it('whose input is written to while it is read does not end well', async () => {
    writeInput();
    const plan = planOf('jsonl');
    const run = RunFolder.take(join(folder, 'runs'), 'r');
    const input = await openInput(join(folder, 'in.jsonl'), 'jsonl');
    const sink = new FileSink(join(folder, 'out.jsonl'), 'jsonl');
    const ask = gateway(Infinity);
    appendFileSync(join(folder, 'in.jsonl'), '\n{"n":7}');
    const parts = { folder: run, plan, input, sink, ask, concurrency: 3, maxErrors: 100, onProgress: () => undefined };
    await expect(new BatchRun(parts).run()).rejects.toThrow(/in\.jsonl was changed while it was read/);
    expect(existsSync(join(folder, 'out.jsonl'))).toBe(false);
  });
});

describe('the folder of a run', () => {
  it('is worked on by one process, and the lock of one that was killed is none', () => {
    const parent = join(folder, 'runs');
    const first = RunFolder.take(parent, 'r');
    expect(() => RunFolder.take(parent, 'r')).toThrow(/run r is being worked on by process \d+ on /);
    first.release();
    RunFolder.take(parent, 'r').release();
    // 2^22 is more than Linux has process ids.
    const killed = { ...(JSON.parse(lockOf(parent)) as object), pid: 4_194_305 };
    writeFileSync(join(parent, 'r/lock'), JSON.stringify(killed));
    RunFolder.take(parent, 'r').release();
  });

  it('whose lock another has taken is not written to any more', async () => {
    const parent = join(folder, 'runs');
    const first = RunFolder.take(parent, 'r');
    rmSync(join(parent, 'r/lock'));
    const second = RunFolder.take(parent, 'r');
    await expect(first.writeProgress(nothingDone)).rejects.toThrow('is being worked on');
    await second.writeProgress(nothingDone);
    first.release();
    expect(existsSync(join(parent, 'r/lock'))).toBe(true);
  });
});

function lockOf(parent: string): string {
  const run = RunFolder.take(parent, 'r');
  const text = readFileSync(join(parent, 'r/lock'), 'utf8');
  run.release();
  return text;
}
