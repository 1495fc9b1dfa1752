import type { Command } from 'commander';
import {
  GiveFeedbackRequest,
  PredictionFeedbackClient,
} from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { withPeer } from '../connection.js';
import { type OutputOptions, print, printJson } from '../output.js';

interface FeedbackOptions extends OutputOptions {
  readonly label?: string;
  readonly score?: string;
  readonly comment?: string;
}

export function addFeedbackCommand(program: Command): void {
  program
    .command('feedback')
    .description('tell what became of a prediction: its label counts where the stream of the model brings none')
    .argument('<prediction-id>', 'as the answer had it')
    .option('--label <number>', 'what was true: of a binary model 0 or 1, of a regression the value')
    .option('--score <number>', 'how well it served, in a unit of your own')
    .option('--comment <text>', 'at most 2000 characters')
    .option('--json', 'print one JSON object')
    .action(give);
}

async function give(predictionId: string, options: FeedbackOptions): Promise<void> {
  const item = {
    predictionId,
    label: numberOf('--label', options.label),
    score: numberOf('--score', options.score),
    comment: options.comment ?? '',
  };
  const { feedbackIds } = await withPeer(PredictionFeedbackClient, 'inference-gateway', (gateway) =>
    gateway.call((stub) => stub.give, GiveFeedbackRequest.fromPartial({ items: [item] }), 10_000),
  );
  if (options.json) return printJson({ predictionId, feedbackId: feedbackIds[0] });
  print(`kept as ${feedbackIds[0]}`);
}

function numberOf(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const number = text.trim() === '' ? Number.NaN : Number(text);
  if (!Number.isFinite(number)) throw new MillraceError('invalid-argument', `${option} "${text}" is not a number`);
  return number;
}
