import { runService } from '#libs/boot/run-service.js';
import { loadSettings } from '#libs/config/settings.js';
import { InferenceWorkerModule } from './inference-worker.module.js';
import { inferenceWorkerSettings } from './inference-worker.settings.js';

const settings = loadSettings(inferenceWorkerSettings);
await runService('inference-worker', settings, InferenceWorkerModule.register(settings));
