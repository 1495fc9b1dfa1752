import type { Page } from './page.js';
import { auditPage } from './pages/audit.page.js';
import { featuresPage } from './pages/features.page.js';
import { meshPage } from './pages/mesh.page.js';
import { streamsPage } from './pages/streams.page.js';

/** Every page, in the order of the navigation. */
export const pages: readonly Page[] = [meshPage, streamsPage, featuresPage, auditPage];
