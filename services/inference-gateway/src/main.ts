import { runProcesses } from '#libs/boot/run-processes.js';
import { runService } from '#libs/boot/run-service.js';
import { loadSettings } from '#libs/config/settings.js';
import { InferenceGatewayModule } from './inference-gateway.module.js';
import { inferenceGatewaySettings } from './inference-gateway.settings.js';

const settings = loadSettings(inferenceGatewaySettings);
await runProcesses('inference-gateway', settings, settings.PROCESSES, (own) =>
  runService('inference-gateway', settings, InferenceGatewayModule.register(settings, own)),
);
