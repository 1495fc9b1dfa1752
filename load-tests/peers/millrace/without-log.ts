import { WalPredictionLog } from '../../../services/inference-gateway/src/outbound/wal-prediction.log.js';

/** Loaded into a real gateway before its own code (`--import`): it answers without keeping anything, so that what the log costs can be measured. */
let next = 0;
WalPredictionLog.prototype.keep = (predictions) => Promise.resolve(predictions.map(() => `unkept-${(next += 1)}`));
WalPredictionLog.prototype.keepRows = () => Promise.resolve({ block: 'unkept', first: (next += 1) });
WalPredictionLog.prototype.note = () => undefined;
