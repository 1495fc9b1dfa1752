import { join } from 'node:path';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { type ServiceProcess, startService } from '#libs/testing/service-process.js';
import { type ServingOptions, type ServingStack, startServingStack } from '#libs/testing/serving-stack.js';

/** A model of the worker's tests: 3 features, one score. */
export const fixture = (name: string): string =>
  join(projectRoot(), `services/inference-worker/test/fixtures/${name}.onnx`);

export interface LoggedStack extends ServingStack {
  readonly monitor: ServiceProcess;
}

/** Gateway and workers on the tests' Kafka, and a monitor that brings what they log into ClickHouse; models read 3 features. `stop` ends all of it. */
export async function startLoggedStack(options: Omit<ServingOptions, 'brokers' | 'features'>): Promise<LoggedStack> {
  const { KAFKA_BROKERS: brokers, CLICKHOUSE_URL } = getTestInfrastructure();
  const stack = await startServingStack({ ...options, brokers, features: 3 });
  const monitor = await startService('monitor', brokers, {
    CLICKHOUSE_URL,
    ARTIFACTS_DIR: join(stack.folder, 'artifacts'),
  });
  return {
    ...stack,
    monitor,
    stop: async () => {
      await stack.stop();
      await monitor.kill('SIGTERM');
    },
  };
}
