import { runService } from '#libs/boot/run-service.js';
import { loadSettings } from '#libs/config/settings.js';
import { TrainerModule } from './trainer.module.js';
import { trainerSettings } from './trainer.settings.js';

const settings = loadSettings(trainerSettings);
await runService('trainer', settings, TrainerModule.register(settings));
