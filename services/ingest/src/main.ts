import { runService } from '#libs/boot/run-service.js';
import { loadSettings } from '#libs/config/settings.js';
import { IngestModule } from './ingest.module.js';
import { ingestSettings } from './ingest.settings.js';

const settings = loadSettings(ingestSettings);
await runService('ingest', settings, IngestModule.register(settings));
