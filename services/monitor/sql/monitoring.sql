CREATE DATABASE IF NOT EXISTS monitoring
;
CREATE TABLE IF NOT EXISTS monitoring.predictions (
  prediction_id String COMMENT 'unique for ever; in the answer to the caller too',
  request_id String COMMENT 'id that the caller gave the request',
  endpoint LowCardinality(String),
  model LowCardinality(String),
  model_version LowCardinality(String),
  feature_service LowCardinality(String),
  feature_service_digest LowCardinality(String) COMMENT 'names what the vector means',
  as_of DateTime64(3, 'UTC') COMMENT 'the instant that the features were read at',
  answered_at DateTime64(3, 'UTC') COMMENT 'wall clock',
  join_key String COMMENT 'what a label is joined by',
  sticky_key String,
  request String COMMENT 'the row as asked, JSON',
  features Array(Float32) COMMENT 'exactly as the model had them; NaN = null',
  outputs Array(Float32),
  score Float32 COMMENT 'binary: probability of class 1',
  features_given Bool COMMENT 'the caller sent the vector',
  fallback Bool COMMENT 'answered with the declared fallback',
  latency_us UInt32 COMMENT 'from request decoded to logged',
  caller LowCardinality(String),
  position_streams Array(LowCardinality(String)) COMMENT 'what the online store could see: streams,',
  position_watermarks Array(Int64) COMMENT 'their watermarks, epoch ms,',
  position_offsets Array(Array(Int64)) COMMENT 'and the last raw offset applied of each partition',
  log_id LowCardinality(String) COMMENT 'write-ahead log of the gateway',
  log_sequence UInt64 COMMENT 'block in it',
  arm LowCardinality(String) DEFAULT 'live' COMMENT 'who answered: live or canary',
  rollout_id LowCardinality(String) COMMENT 'rollout under way; empty = none',
  rollout_step UInt32,
  trace_id String DEFAULT '' COMMENT 'W3C; empty = not sampled'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(as_of)
ORDER BY (endpoint, as_of, prediction_id)
SETTINGS non_replicated_deduplication_window = 10000
;
-- A log that was begun before there were rollouts or traces gets their columns.
ALTER TABLE monitoring.predictions
  ADD COLUMN IF NOT EXISTS arm LowCardinality(String) DEFAULT 'live' COMMENT 'who answered: live or canary',
  ADD COLUMN IF NOT EXISTS rollout_id LowCardinality(String) COMMENT 'rollout under way; empty = none',
  ADD COLUMN IF NOT EXISTS rollout_step UInt32,
  ADD COLUMN IF NOT EXISTS trace_id String DEFAULT '' COMMENT 'W3C; empty = not sampled'
;
CREATE TABLE IF NOT EXISTS monitoring.shadow_predictions (
  primary_id String COMMENT 'prediction_id of the answer that the caller got',
  endpoint LowCardinality(String),
  model LowCardinality(String),
  model_version LowCardinality(String),
  rollout_id LowCardinality(String),
  rollout_step UInt32,
  as_of DateTime64(3, 'UTC'),
  outputs Array(Float32),
  score Float32 COMMENT 'binary: probability of class 1',
  run_us UInt32 COMMENT 'from handed to the worker to its answer',
  answered_at DateTime64(3, 'UTC') COMMENT 'wall clock'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(as_of)
ORDER BY (endpoint, rollout_id, as_of, primary_id)
SETTINGS non_replicated_deduplication_window = 10000
;
CREATE TABLE IF NOT EXISTS monitoring.prediction_failures (
  endpoint LowCardinality(String),
  model LowCardinality(String),
  model_version LowCardinality(String),
  arm LowCardinality(String) COMMENT 'live, canary or shadow',
  rollout_id LowCardinality(String),
  rollout_step UInt32,
  code LowCardinality(String),
  message String,
  as_of DateTime64(3, 'UTC'),
  failed_at DateTime64(3, 'UTC') COMMENT 'wall clock',
  primary_id String COMMENT 'of a shadow: prediction_id of the answer'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(as_of)
ORDER BY (endpoint, rollout_id, failed_at)
SETTINGS non_replicated_deduplication_window = 10000
;
CREATE TABLE IF NOT EXISTS monitoring.unmirrored (
  endpoint LowCardinality(String),
  rollout_id LowCardinality(String),
  rollout_step UInt32,
  reason LowCardinality(String),
  rows UInt64 COMMENT 'answered rows that the candidate was not shown',
  at DateTime64(3, 'UTC') COMMENT 'wall clock'
)
ENGINE = MergeTree
ORDER BY (endpoint, rollout_id, at)
SETTINGS non_replicated_deduplication_window = 10000
;
CREATE TABLE IF NOT EXISTS monitoring.judgements (
  rollout_id String,
  judged_at DateTime64(3, 'UTC') COMMENT 'wall clock',
  endpoint LowCardinality(String),
  outcome LowCardinality(String) COMMENT 'pass, fail, not-yet or no-data',
  generation UInt64 COMMENT 'of the rollout that was judged',
  step UInt32,
  reason String,
  encoded_base64 String COMMENT 'millrace.monitor.v1.Judgement'
)
ENGINE = ReplacingMergeTree
ORDER BY (rollout_id, judged_at)
;
CREATE TABLE IF NOT EXISTS monitoring.predictions_unreadable (
  partition UInt16,
  offset Int64,
  error String,
  value_base64 String
)
ENGINE = ReplacingMergeTree
ORDER BY (partition, offset)
;
CREATE TABLE IF NOT EXISTS monitoring.labels (
  model LowCardinality(String),
  join_key String,
  label Float64,
  labelled_at DateTime64(3, 'UTC') COMMENT 'event time of the event that carried it',
  horizon_ms Int64 COMMENT 'how long after the prediction a label counts',
  source_partition UInt16,
  source_offset Int64
)
ENGINE = ReplacingMergeTree
ORDER BY (model, join_key, source_partition, source_offset)
SETTINGS non_replicated_deduplication_window = 10000
;
CREATE OR REPLACE VIEW monitoring.predictions_labelled AS
SELECT p.*,
       if(l.known = 1 AND l.first_at <= p.as_of + toIntervalMillisecond(l.first_horizon_ms), toNullable(l.first_label), NULL) AS label,
       if(l.known = 1, toNullable(l.first_at), NULL) AS labelled_at
FROM monitoring.predictions AS p
LEFT JOIN (
  SELECT model, join_key, 1 AS known, min(labelled_at) AS first_at,
         argMin(label, (labelled_at, source_partition, source_offset)) AS first_label,
         argMin(horizon_ms, (labelled_at, source_partition, source_offset)) AS first_horizon_ms
  FROM monitoring.labels
  GROUP BY model, join_key
) AS l ON l.model = p.model AND l.join_key = p.join_key
;
