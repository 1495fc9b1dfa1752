import { runService } from '#libs/boot/run-service.js';
import { loadSettings } from '#libs/config/settings.js';
import { MonitorModule } from './monitor.module.js';
import { monitorSettings } from './monitor.settings.js';

const settings = loadSettings(monitorSettings);
await runService('monitor', settings, MonitorModule.register(settings));
