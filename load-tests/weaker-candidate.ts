import { auc } from '#libs/numeric/auc.js';
import { generator } from '#libs/numeric/generator.js';

export interface WeakerCandidate {
  /** Log-loss of the candidate less the live version's, in nats, of as many rows as were drawn. */
  readonly differences: Float64Array;
  readonly liveAuc: number;
  readonly candidateAuc: number;
}

const [mean, spread, liveNoise] = [-1, 1.5, 0.5];
const seed = 3;

/**
 * A candidate that sees less and knows it: truth is a logit ~ N(-1, 1.5²), a version observes it with Gaussian noise and says the chance that follows (Gaussian posterior; its
 * logistic mean by MacKay 1992), so both are calibrated and differ by what they tell apart alone. The candidate's noise is searched until its AUC is lower by `aucLoss`.
 * @param aucLoss 0..0.2 @param rows drawn, the same numbers for every noise
 */
export function weakerCandidate(aucLoss: number, rows: number): WeakerCandidate {
  const random = generator(seed);
  const normals = (): Float64Array => Float64Array.from({ length: rows }, () => normal(random));
  const [truth, live, candidate] = [normals(), normals(), normals()];
  const labels = Uint8Array.from(truth, (z) => (random() < logistic(mean + spread * z) ? 1 : 0));
  const liveSays = chances(truth, live, liveNoise);
  const liveAuc = auc(liveSays, labels).value;
  let [low, high] = [liveNoise, 10];
  for (let i = 0; i < 20; i += 1) {
    const noise = (low + high) / 2;
    if (auc(chances(truth, candidate, noise), labels).value > liveAuc - aucLoss) low = noise;
    else high = noise;
  }
  const candidateSays = chances(truth, candidate, low);
  const differences = liveSays.map((p, i) => loss(candidateSays[i]!, labels[i]!) - loss(p, labels[i]!));
  return { differences, liveAuc, candidateAuc: auc(candidateSays, labels).value };
}

function chances(truth: Float64Array, noise: Float64Array, sigma: number): Float64Array {
  const trust = spread ** 2 / (spread ** 2 + sigma ** 2);
  const unsure = Math.sqrt(1 + (Math.PI / 8) * trust * sigma ** 2);
  return truth.map((z, i) => logistic((mean + trust * (spread * z + sigma * noise[i]!)) / unsure));
}

function loss(p: number, label: number): number {
  return -Math.log(label === 1 ? p : 1 - p);
}

function logistic(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** Box and Muller 1958. */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
