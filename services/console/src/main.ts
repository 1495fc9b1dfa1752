import { runService } from '#libs/boot/run-service.js';
import { loadSettings } from '#libs/config/settings.js';
import { ConsoleModule } from './console.module.js';
import { consoleSettings } from './console.settings.js';

const settings = loadSettings(consoleSettings);
await runService('console', settings, ConsoleModule.register(settings));
