import { listSupportedBackends } from 'onnxruntime-node';
import { errorMessage, MillraceError } from '#libs/errors/millrace-error.js';
import { createSession } from './onnx-session.js';

/** y = x on float32 [N, 2]. */
export const tinyModel = Buffer.from(
  'CAo6RQoQCgF4EgF5IghJZGVudGl0eRIFZ3JhcGhaFAoBeBIPCg0IARIJCgMSAU4KAggCYhQKAXkSDwoNCAESCQoDEgFOCgIIAkIECgAQEQ==',
  'base64',
);

/**
 * Makes a session with each provider alone: what onnxruntime-node knows by name may still lack its libraries or its device, and is better missed at the start than with the first model.
 * @throws MillraceError failed-precondition, with what is there
 */
export async function assertProviders(providers: readonly string[]): Promise<void> {
  for (const provider of providers) {
    try {
      await (await createSession(tinyModel, [provider])).release();
    } catch (error) {
      const there = listSupportedBackends().filter(({ bundled }) => bundled);
      throw new MillraceError(
        'failed-precondition',
        `EXECUTION_PROVIDERS: "${provider}" does not work here: ${errorMessage(error).trim()}; the onnxruntime-node that is installed has ${there.map(({ name }) => name).join(', ')}`,
        { cause: error },
      );
    }
  }
}
