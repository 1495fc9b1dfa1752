import { randomUUID } from 'node:crypto';
import {
  isTabular,
  type Kind,
  type ModelSpec,
  type PipelineSpec,
  type Specs,
} from '#libs/definitions/definition-kinds.js';
import { decideAgain, decideTrigger, type TriggerDecision, type TriggerReason } from './decide-trigger.js';
import type { RunStore, Trigger, TriggerStore } from './ports.js';

const dayMs = 86_400_000;

/** Something that happened, which may start a run of a pipeline. */
export interface Occasion {
  /** The same occasion has the same key, however often it is told. */
  readonly key: string;
  readonly reason: TriggerReason;
  /** One sentence for a person. */
  readonly summary: string;
}

/**
 * Runs that nobody asked for by hand. Each occasion is decided for a pipeline, and the decision kept; one after another, so that two at once do not both pass the cool-down.
 */
export class TriggeredRuns {
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly runs: RunStore,
    private readonly triggers: TriggerStore,
    private readonly definitions: ReadonlyMap<string, Specs[Kind]>,
    /** After a decision has been made and kept. */
    private readonly onDecided: (trigger: Trigger) => void,
    private readonly now: () => number,
  ) {}

  /** Pipelines of a model, or of all models. */
  pipelines(model?: string): PipelineSpec[] {
    return [...this.definitions]
      .filter(([key]) => key.startsWith('Pipeline/'))
      .map(([, spec]) => spec as PipelineSpec)
      .filter((pipeline) => model === undefined || pipeline.model === model);
  }

  /** Something that happened once. @returns the decision, of now or of an earlier time. Rejects when it could not be kept: tell the occasion again. */
  consider(pipeline: PipelineSpec, occasion: Occasion): Promise<Trigger> {
    return this.inTurn(() => this.decide(pipeline, occasion, false));
  }

  /** Something that goes on: decided once more when what the last decision waits for is over. @returns the last decision. Rejects as consider does. */
  considerAgain(pipeline: PipelineSpec, occasion: Occasion): Promise<Trigger> {
    return this.inTurn(() => this.decide(pipeline, occasion, true));
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.last.then(work);
    this.last = mine.catch(() => undefined); // the caller gets it
    return mine;
  }

  private async decide(pipeline: PipelineSpec, occasion: Occasion, goesOn: boolean): Promise<Trigger> {
    const { name, triggers } = pipeline;
    const before = await this.triggers.latest(name, occasion.key);
    if (before !== undefined && before.runId !== '') await this.start(pipeline, before); // in case the process ended between the two
    if (before !== undefined && !goesOn) return before;
    const nowMs = this.now();
    const history = {
      startedMs: await this.triggers.startedSince(name, nowMs - Math.max(dayMs, triggers?.cooldownMs ?? 0)),
      underWay: await this.runs.isUnderWay(name),
    };
    if (before === undefined)
      return this.keep(pipeline, occasion, 1, nowMs, decideTrigger(triggers, occasion.reason, nowMs, history));
    const decided = decideAgain(before.decision, triggers, occasion.reason, nowMs, history);
    return decided === undefined ? before : this.keep(pipeline, occasion, before.attempt + 1, nowMs, decided);
  }

  private async keep(
    pipeline: PipelineSpec,
    { key, reason, summary }: Occasion,
    attempt: number,
    decidedMs: number,
    decided: TriggerDecision,
  ): Promise<Trigger> {
    const triggerKey = `${pipeline.name}/${key}${attempt === 1 ? '' : `/${attempt}`}`;
    const runId = decided.decision === 'started' ? randomUUID() : '';
    const about = { triggerKey, pipeline: pipeline.name, occasion: key, attempt, reason, summary };
    const trigger: Trigger = { ...about, ...decided, runId, decidedMs };
    await this.triggers.add(trigger);
    if (runId !== '') await this.start(pipeline, trigger);
    this.onDecided(trigger);
    return trigger;
  }

  /** Without a window: the dataset ends at the watermark. */
  private async start(pipeline: PipelineSpec, { triggerKey, reason, summary, runId }: Trigger): Promise<void> {
    const model = this.definitions.get(`Model/${pipeline.model}`) as ModelSpec | undefined;
    // Deleted together with its pipelines, or made one of tensors, a moment ago.
    if (model === undefined || !isTabular(model)) return;
    const plan = { pipeline, model, fromMs: 0, toMs: 0, validateFromMs: 0 };
    await this.runs.create(runId, plan, `${reason}: ${summary}`, triggerKey);
  }
}
