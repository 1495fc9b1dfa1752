import { MillraceError } from '#libs/errors/millrace-error.js';
import type { LiveEndpoint } from './arms.js';
import { explanationOutputs } from './explanation-outputs.js';
import type { InferRequest } from './infer-request.js';

/** Rows of one request that is explained. */
export const maxExplainedRows = 100;

/** By the parameter `explain`, or by naming one of those outputs. */
export function asksExplanation({ explain, outputs }: Pick<InferRequest, 'explain' | 'outputs'>): boolean {
  if (explain === true) return true;
  for (const { name } of outputs) if (explanationOutputs.includes(name)) return true;
  return false;
}

/** What can be said before anything is scored. @throws MillraceError invalid-argument, failed-precondition */
export function checkExplainable({ plan, version }: LiveEndpoint, rows: number): void {
  if (rows > maxExplainedRows)
    throw new MillraceError(
      'invalid-argument',
      `explain: ${rows} rows for model '${plan.name}'; at most ${maxExplainedRows} of one request are explained`,
    );
  checkBackground(version);
}

/** @throws MillraceError failed-precondition where a version has no rows that its explanations could be relative to */
export function checkBackground({ model, version, backgroundSha256 }: LiveEndpoint['version']): void {
  if (backgroundSha256 === '')
    throw new MillraceError(
      'failed-precondition',
      `explain: version ${version} of model ${model} was registered without background rows, which explanations are relative to; train a new version, the trainer keeps them, or ask without explain`,
    );
}
