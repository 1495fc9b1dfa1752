import { runService } from '#libs/boot/run-service.js';
import { loadSettings } from '#libs/config/settings.js';
import { FeatureStoreModule } from './feature-store.module.js';
import { featureStoreSettings } from './feature-store.settings.js';

const settings = loadSettings(featureStoreSettings);
await runService('feature-store', settings, FeatureStoreModule.register(settings));
