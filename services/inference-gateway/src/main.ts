import { runService } from '#libs/boot/run-service.js';
import { loadSettings } from '#libs/config/settings.js';
import { InferenceGatewayModule } from './inference-gateway.module.js';
import { inferenceGatewaySettings } from './inference-gateway.settings.js';

const settings = loadSettings(inferenceGatewaySettings);
await runService('inference-gateway', settings, InferenceGatewayModule.register(settings));
