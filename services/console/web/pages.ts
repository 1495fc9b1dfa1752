import type { Page } from './page.js';
import { approvalsPage } from './pages/approvals.page.js';
import { auditPage } from './pages/audit.page.js';
import { driftPage } from './pages/drift.page.js';
import { featuresPage } from './pages/features.page.js';
import { meshPage } from './pages/mesh.page.js';
import { modelsPage } from './pages/models.page.js';
import { predictionsPage } from './pages/predictions.page.js';
import { rolloutsPage } from './pages/rollouts.page.js';
import { streamsPage } from './pages/streams.page.js';
import { tracePage } from './pages/trace.page.js';

/** Every page, in the order of the navigation. */
export const pages: readonly Page[] = [
  meshPage,
  streamsPage,
  featuresPage,
  modelsPage,
  rolloutsPage,
  driftPage,
  predictionsPage,
  tracePage,
  approvalsPage,
  auditPage,
];
