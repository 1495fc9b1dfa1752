import { mkdirSync } from 'node:fs';
import { cacheFolder } from '#libs/storage/cache-folder.js';

/** Models, environments and the generator are kept here. */
export function peerCache(): string {
  const folder = cacheFolder('peers');
  mkdirSync(folder, { recursive: true });
  return folder;
}
