import { Controller, HttpCode, Inject, Post, Req, Res } from '@nestjs/common';
import type { Response } from 'express';
import type { AuthenticatedRequest } from '#libs/boot/http-edge.js';
import type { FeedbackItem } from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { shown } from '#libs/tensors/tensor-codec.js';
import { FeedbackCalls } from './feedback-calls.js';
import { BodyReader, packed } from './rest-body.js';

const example = '{"items": [{"prediction_id": "0a1b2c3d4e5f-17-0", "label": 1}]}';
const fields = ['prediction_id', 'label', 'score', 'comment'];

/** PredictionFeedback/Give as JSON, with the names of the contract. */
@Controller()
export class FeedbackController {
  constructor(
    @Inject(FeedbackCalls) private readonly calls: FeedbackCalls,
    @Inject(BodyReader) private readonly bodies: BodyReader,
  ) {}

  @Post('v2/feedback')
  @HttpCode(200)
  async give(@Req() request: AuthenticatedRequest, @Res() response: Response): Promise<void> {
    const items = readItems(await this.bodies.read(request, response));
    const { feedbackIds } = await this.calls.give(items, request.caller!.name);
    response.setHeader('content-type', 'application/json');
    response.end(await packed(request, response, Buffer.from(JSON.stringify({ feedback_ids: feedbackIds }))));
  }
}

/** @throws MillraceError invalid-argument naming what is not as the contract says; values are checked where they are used */
export function readItems(body: Buffer): FeedbackItem[] {
  let read: unknown;
  try {
    read = JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new MillraceError('invalid-argument', `body: expected JSON, e.g. ${example}`, { cause: error });
  }
  const items = isObject(read) ? read['items'] : undefined;
  if (!isObject(read) || !Array.isArray(items))
    throw new MillraceError('invalid-argument', `body: expected an object with items, e.g. ${example}`);
  const other = Object.keys(read).find((key) => key !== 'items');
  if (other !== undefined) throw new MillraceError('invalid-argument', `${shown(other)}: unknown, the body has items`);
  return items.map((item: unknown, i) => itemOf(item, `items[${i}]`));
}

function itemOf(item: unknown, at: string): FeedbackItem {
  if (!isObject(item)) throw new MillraceError('invalid-argument', `${at}: expected an object, e.g. ${example}`);
  const unknown = Object.keys(item).find((key) => !fields.includes(key));
  if (unknown !== undefined)
    throw new MillraceError('invalid-argument', `${at}.${shown(unknown)}: unknown, an item has ${fields.join(', ')}`);
  return {
    predictionId: typed(item, 'prediction_id', 'string', at) ?? '',
    label: typed(item, 'label', 'number', at),
    score: typed(item, 'score', 'number', at),
    comment: typed(item, 'comment', 'string', at) ?? '',
  };
}

/** Null counts as left out. */
function typed<T extends 'string' | 'number'>(
  item: Record<string, unknown>,
  field: string,
  type: T,
  at: string,
): (T extends 'string' ? string : number) | undefined {
  const value = item[field];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== type)
    throw new MillraceError('invalid-argument', `${at}.${field}: ${shown(JSON.stringify(value))} is not a ${type}`);
  return value as T extends 'string' ? string : number;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
