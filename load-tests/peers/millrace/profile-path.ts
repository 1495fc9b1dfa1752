import { tmpdir } from 'node:os';
import { join } from 'node:path';

export function profilePath(pid: number): string {
  return join(tmpdir(), `millrace-gateway-${pid}.cpuprofile`);
}
