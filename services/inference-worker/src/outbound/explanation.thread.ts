import { parentPort, workerData } from 'node:worker_threads';
import { ArtifactStore } from '#libs/storage/artifact-store.js';
import type { FromThread, ThreadSettings, ToThread } from './explanation-messages.js';
import { PreparedExplainers } from './prepared-explainers.js';

/** The program of the thread of explanations: answers each question in turn. It holds models of its own, so that nothing it does holds the thread that serves. */
const { artifactsDir } = workerData as ThreadSettings;
const explainers = new PreparedExplainers(new ArtifactStore(artifactsDir));

parentPort!.on('message', (question: ToThread) => {
  void explainers.answer(question).then((answer: FromThread) => {
    parentPort!.postMessage(answer, answer.ok ? [answer.contributions.buffer as ArrayBuffer] : []);
  });
});
