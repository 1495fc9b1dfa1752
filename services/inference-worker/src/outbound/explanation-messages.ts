import type { ExplanationOutcome, ExplanationQuestion } from '../domain/explanation.js';

/** What the thread of explanations is started with. */
export interface ThreadSettings {
  readonly artifactsDir: string;
}

/** Into the thread, and out of it: one answer a question, in order. */
export type ToThread = ExplanationQuestion;
export type FromThread = ExplanationOutcome;
