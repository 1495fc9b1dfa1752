import type { Authorizer } from '#libs/auth/authorizer.js';
import { followDefinitions } from '#libs/messaging/follow-definitions.js';
import type { MessageLog } from '#libs/messaging/message-log.js';
import type { Logger } from '#libs/telemetry/logger.js';

/** Gives the authorizer every policy that exists, then each change. A service may come up before the owners of the two topics, and makes them then. */
export async function followPolicies(messages: MessageLog, authorizer: Authorizer, logger: Logger): Promise<void> {
  await messages.ensureTopics([{ id: 'definitionsChanged' }, { id: 'auditRecorded' }]);
  await followDefinitions(messages, logger, ({ kind, name, spec }) => {
    if (kind === 'Policy') authorizer.setPolicy(name, spec);
  });
}
