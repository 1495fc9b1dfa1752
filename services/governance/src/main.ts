import { runService } from '#libs/boot/run-service.js';
import { loadSettings } from '#libs/config/settings.js';
import { GovernanceModule } from './governance.module.js';
import { governanceSettings } from './governance.settings.js';

const settings = loadSettings(governanceSettings);
await runService('governance', settings, GovernanceModule.register(settings));
