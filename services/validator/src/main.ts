import { runService } from '#libs/boot/run-service.js';
import { loadSettings } from '#libs/config/settings.js';
import { ValidatorModule } from './validator.module.js';
import { validatorSettings } from './validator.settings.js';

const settings = loadSettings(validatorSettings);
await runService('validator', settings, ValidatorModule.register(settings));
