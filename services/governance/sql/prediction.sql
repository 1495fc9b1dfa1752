-- One answered prediction, wherever it is in the log: its id is not what the log is ordered by, so that this reads the column of ids.
SELECT prediction_id AS predictionId, endpoint, model, model_version AS version, arm, caller, score, outputs,
       feature_service AS featureService, feature_service_digest AS featureServiceDigest,
       toUnixTimestamp64Milli(as_of) AS asOfMs, toUnixTimestamp64Milli(answered_at) AS answeredMs,
       features_given AS featuresGiven, fallback, rollout_id AS rolloutId, rollout_step AS rolloutStep,
       position_streams AS streams, position_watermarks AS watermarksMs, position_offsets AS offsets,
       log_id AS logId, log_sequence AS logSequence
FROM monitoring.predictions
WHERE prediction_id = {id: String}
LIMIT 1
