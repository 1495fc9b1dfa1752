import type { Feedback, FeedbackItem } from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { shown } from '#libs/tensors/tensor-codec.js';

/** Feedback before it has its id. */
export type Unkept = Omit<Feedback, 'feedbackId'>;

export const mostFeedbackItems = 1_000;
const mostCommentCharacters = 2_000;
/** `<write-ahead log>-<block>-<place>`, as every answer has it. */
const predictionId = /^[0-9a-f]{12}-[1-9][0-9]{0,15}-[0-9]{1,6}$/;

/**
 * What a caller says became of predictions. Whether there are predictions of these ids nobody knows here: the log shows the feedback of those that there are.
 * @param items 1 to 1,000; each with a label, a score or a comment
 * @param nowMs epoch ms
 * @throws MillraceError invalid-argument naming the item, the field, its value and what would be right
 */
export function readFeedback(items: readonly FeedbackItem[], caller: string, nowMs: number): Unkept[] {
  if (items.length === 0 || items.length > mostFeedbackItems)
    throw refused('items', `${items.length} of them, 1 to ${mostFeedbackItems} are taken at a time`);
  return items.map((item, i) => {
    checkItem(item, `items[${i}]`);
    return {
      predictionId: item.predictionId,
      label: item.label ?? Number.NaN,
      score: item.score ?? Number.NaN,
      comment: item.comment,
      caller,
      givenAtMs: nowMs,
    };
  });
}

function checkItem(item: FeedbackItem, at: string): void {
  if (!predictionId.test(item.predictionId))
    throw refused(
      `${at}.prediction_id`,
      `"${shown(item.predictionId)}" is no id of a prediction; one looks like 0a1b2c3d4e5f-17-0 and is the output prediction_id of an answer`,
    );
  for (const field of ['label', 'score'] as const)
    if (item[field] !== undefined && !Number.isFinite(item[field]))
      throw refused(`${at}.${field}`, `${item[field]} is not a number; leave it out where there is none`);
  if (item.comment.length > mostCommentCharacters)
    throw refused(`${at}.comment`, `${item.comment.length} characters, at most ${mostCommentCharacters}`);
  if (item.label === undefined && item.score === undefined && item.comment === '')
    throw refused(at, 'it says nothing: one of label, score and comment is needed');
}

function refused(field: string, problem: string): MillraceError {
  return new MillraceError('invalid-argument', `${field}: ${problem}`);
}
