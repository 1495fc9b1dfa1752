import { renameSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { profilePath } from './profile-path.js';

/** Loaded into a real gateway before its own code (`--import`): SIGUSR2 begins a profile of its main thread, and another one ends it and writes it down. */
const session = new Session();
session.connect();
let running = false;
process.on('SIGUSR2', () => {
  if (!running) {
    session.post('Profiler.enable');
    session.post('Profiler.setSamplingInterval', { interval: 200 });
    session.post('Profiler.start');
  } else
    session.post('Profiler.stop', (error, { profile }) => {
      if (error !== null) throw error;
      const path = profilePath(process.pid);
      writeFileSync(`${path}.part`, JSON.stringify(profile));
      renameSync(`${path}.part`, path);
    });
  running = !running;
});
