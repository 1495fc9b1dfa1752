import { runService } from '#libs/boot/run-service.js';
import { loadSettings } from '#libs/config/settings.js';
import { RegistryModule } from './registry.module.js';
import { registrySettings } from './registry.settings.js';

const settings = loadSettings(registrySettings);
await runService('registry', settings, RegistryModule.register(settings));
