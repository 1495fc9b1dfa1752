import { runService } from '#libs/boot/run-service.js';
import { loadSettings } from '#libs/config/settings.js';
import { ConsoleModule } from './console.module.js';
import { consoleSettings } from './console.settings.js';
import { Sessions } from './domain/sessions.js';
import { ConsoleDoor } from './inbound/console.door.js';

const settings = loadSettings(consoleSettings);
const sessions = new Sessions(settings.SESSION_IDLE_SECONDS * 1_000);
await runService('console', settings, ConsoleModule.register(settings, sessions), new ConsoleDoor(sessions));
