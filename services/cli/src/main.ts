import { Command } from 'commander';
import { errorMessage, MillraceError } from '#libs/errors/millrace-error.js';
import { addApprovalsCommands } from './commands/approvals.command.js';
import { addAuditCommand } from './commands/audit.command.js';
import { addBatchCommand } from './commands/batch.command.js';
import { addConsoleCommand } from './commands/console.command.js';
import { addDefinitionCommands } from './commands/definitions.command.js';
import { addFeedbackCommand } from './commands/feedback.command.js';
import { addLogsCommand } from './commands/logs.command.js';
import { addModelsCommands } from './commands/models.command.js';
import { addPerformanceCommand } from './commands/performance.command.js';
import { addPredictCommand } from './commands/predict.command.js';
import { addPredictionsCommand } from './commands/predictions.command.js';
import { addQuarantineCommand } from './commands/quarantine.command.js';
import { addRolloutCommands } from './commands/rollout.command.js';
import { addRunsCommands } from './commands/runs.command.js';
import { addStatusCommands } from './commands/status.command.js';
import { addTraceCommand } from './commands/trace.command.js';
import { addWatchCommands } from './commands/watch.command.js';
import { actAs } from './connection.js';

const program = new Command('millrace')
  .description('An event-streaming MLOps mesh: definitions, runs, predictions, rollouts, logs.')
  .option('--as <caller>', 'act as another caller of mesh.json, e.g. risk; before the command')
  .hook('preAction', (root) => actAs(root.opts<{ as?: string }>().as))
  .showSuggestionAfterError();
addDefinitionCommands(program);
addRunsCommands(program);
addPredictCommand(program);
addBatchCommand(program);
addLogsCommand(program);
addPredictionsCommand(program);
addFeedbackCommand(program);
addQuarantineCommand(program);
addModelsCommands(program);
addRolloutCommands(program);
addApprovalsCommands(program);
addAuditCommand(program);
addTraceCommand(program);
addWatchCommands(program);
addPerformanceCommand(program);
addStatusCommands(program);
addConsoleCommand(program);

try {
  await program.parseAsync();
} catch (error) {
  const code = error instanceof MillraceError ? error.code : 'internal';
  if (process.argv.includes('--json'))
    process.stdout.write(`${JSON.stringify({ error: { code, message: errorMessage(error) } })}\n`);
  process.stderr.write(`error: ${errorMessage(error)}\n`);
  process.exitCode = 1;
}
