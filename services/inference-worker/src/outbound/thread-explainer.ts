import { Worker } from 'node:worker_threads';
import { fault } from '../domain/outcome.js';
import { Explainer, type ExplanationOutcome, type ExplanationQuestion } from '../domain/explanation.js';
import type { FromThread, ThreadSettings } from './explanation-messages.js';

/** Explanations in a thread of their own, started with the first question. One that ends is replaced with the next. */
export class ThreadExplainer extends Explainer {
  private thread: Worker | undefined;

  /** @param program of the thread, built JavaScript */
  constructor(
    private readonly settings: ThreadSettings,
    private readonly program = new URL('./explanation.thread.js', import.meta.url),
  ) {
    super();
  }

  override explain(question: ExplanationQuestion): Promise<ExplanationOutcome> {
    const thread = (this.thread ??= this.start());
    return new Promise((resolve) => {
      const settle = (outcome: ExplanationOutcome): void => {
        thread.off('message', settle).off('error', failed).off('exit', ended);
        resolve(outcome);
      };
      const failed = (error: Error): void =>
        settle(fault('run-failed', `the thread of explanations failed: ${error.message}`));
      const ended = (): void => settle(fault('run-failed', 'the thread of explanations has ended'));
      thread.on('message', settle satisfies (answer: FromThread) => void);
      thread.on('error', failed).on('exit', ended);
      // Copies: of a view the whole buffer behind it would be copied.
      const [input, output] = [Uint8Array.from(question.input), Uint8Array.from(question.output)];
      thread.postMessage({ ...question, input, output }, [input.buffer, output.buffer]);
    });
  }

  async close(): Promise<void> {
    await this.thread?.terminate();
  }

  private start(): Worker {
    const thread = new Worker(this.program, { workerData: this.settings });
    thread.unref(); // it holds no process
    const forget = (): void => {
      if (this.thread === thread) this.thread = undefined;
    };
    thread.on('error', forget).on('exit', forget);
    return thread;
  }
}
