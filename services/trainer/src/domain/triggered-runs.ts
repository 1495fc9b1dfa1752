import { randomUUID } from 'node:crypto';
import type { Kind, ModelSpec, PipelineSpec, Specs } from '#libs/definitions/definition-kinds.js';
import { decideTrigger, type TriggerReason } from './decide-trigger.js';
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

/** Runs that nobody asked for by hand. Each occasion is decided once for a pipeline, and the decision kept; one after another, so that two at once do not both pass the cool-down. */
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

  /** @returns the decision, of now or of an earlier time. Rejects when it could not be kept: tell the occasion again. */
  consider(pipeline: PipelineSpec, occasion: Occasion): Promise<Trigger> {
    const mine = this.last.then(() => this.decide(pipeline, occasion));
    this.last = mine.catch(() => undefined); // the caller gets it
    return mine;
  }

  private async decide(pipeline: PipelineSpec, { key, reason, summary }: Occasion): Promise<Trigger> {
    const triggerKey = `${pipeline.name}/${key}`;
    let trigger = await this.triggers.get(triggerKey);
    if (trigger === undefined) {
      const decidedMs = this.now();
      const sinceMs = decidedMs - Math.max(dayMs, pipeline.triggers?.cooldownMs ?? 0);
      const startedMs = await this.triggers.startedSince(pipeline.name, sinceMs);
      const underWay = await this.runs.isUnderWay(pipeline.name);
      const decided = decideTrigger(pipeline.triggers, reason, decidedMs, { startedMs, underWay });
      const runId = decided.decision === 'started' ? randomUUID() : '';
      trigger = { triggerKey, pipeline: pipeline.name, reason, summary, ...decided, runId, decidedMs };
      await this.triggers.add(trigger);
      if (runId !== '') await this.start(pipeline, trigger);
      this.onDecided(trigger);
    } else if (trigger.runId !== '') await this.start(pipeline, trigger); // in case the process ended between the two
    return trigger;
  }

  /** Without a window: the dataset ends at the watermark. */
  private async start(pipeline: PipelineSpec, { triggerKey, reason, summary, runId }: Trigger): Promise<void> {
    const model = this.definitions.get(`Model/${pipeline.model}`) as ModelSpec | undefined;
    if (model === undefined) return; // deleted together with its pipelines, a moment ago
    const plan = { pipeline, model, fromMs: 0, toMs: 0, validateFromMs: 0 };
    await this.runs.create(runId, plan, `${reason}: ${summary}`, triggerKey);
  }
}
