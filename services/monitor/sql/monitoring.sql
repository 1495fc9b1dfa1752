CREATE DATABASE IF NOT EXISTS monitoring
;
-- Partitions are weeks of the wall clock, which retention goes by: what is too old is dropped part by part, and an instant that a caller asks for makes no partition of its own.
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
  trace_id String DEFAULT '' COMMENT 'W3C; empty = not sampled',
  features_us UInt32 COMMENT 'of latency_us: the wait for the vector',
  infer_us UInt32 COMMENT 'of latency_us: the wait for the score',
  cached Bool COMMENT 'answered from the response cache, without a run',
  explained Bool COMMENT 'contributions were answered too',
  payload_sampled_out Bool COMMENT 'request and features were left out, by log.sample'
)
ENGINE = MergeTree
PARTITION BY toMonday(answered_at)
ORDER BY (endpoint, as_of, prediction_id)
SETTINGS non_replicated_deduplication_window = 10000
;
-- A log that was begun before there were rollouts, traces or stages gets their columns.
ALTER TABLE monitoring.predictions
  ADD COLUMN IF NOT EXISTS arm LowCardinality(String) DEFAULT 'live' COMMENT 'who answered: live or canary',
  ADD COLUMN IF NOT EXISTS rollout_id LowCardinality(String) COMMENT 'rollout under way; empty = none',
  ADD COLUMN IF NOT EXISTS rollout_step UInt32,
  ADD COLUMN IF NOT EXISTS trace_id String DEFAULT '' COMMENT 'W3C; empty = not sampled',
  ADD COLUMN IF NOT EXISTS features_us UInt32 COMMENT 'of latency_us: the wait for the vector',
  ADD COLUMN IF NOT EXISTS infer_us UInt32 COMMENT 'of latency_us: the wait for the score',
  ADD COLUMN IF NOT EXISTS cached Bool COMMENT 'answered from the response cache, without a run',
  ADD COLUMN IF NOT EXISTS explained Bool COMMENT 'contributions were answered too',
  ADD COLUMN IF NOT EXISTS payload_sampled_out Bool COMMENT 'request and features were left out, by log.sample'
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
PARTITION BY toMonday(answered_at)
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
  code LowCardinality(String) COMMENT 'of the error; worker-away = no worker could be asked, or it went away: no failure of the version',
  message String,
  as_of DateTime64(3, 'UTC'),
  failed_at DateTime64(3, 'UTC') COMMENT 'wall clock',
  primary_id String COMMENT 'of a shadow: prediction_id of the answer'
)
ENGINE = MergeTree
PARTITION BY toMonday(failed_at)
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
-- What callers said became of a prediction. The newest label of a prediction counts.
CREATE TABLE IF NOT EXISTS monitoring.feedback (
  feedback_id String COMMENT 'unique for ever; in the answer to the caller too',
  prediction_id String COMMENT 'as the caller gave it: there may be none of that id',
  label Float64 COMMENT 'what was true; NaN = only words or a score were given',
  score Float64 COMMENT 'how well it served, in the unit of the caller; NaN = none',
  comment String,
  caller LowCardinality(String),
  given_at DateTime64(3, 'UTC') COMMENT 'wall clock',
  log_id LowCardinality(String) COMMENT 'write-ahead log of the gateway',
  log_sequence UInt64 COMMENT 'block in it',
  log_place UInt32 COMMENT 'place in the block'
)
ENGINE = MergeTree
PARTITION BY toMonday(given_at)
ORDER BY (prediction_id, given_at)
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
-- What the places of a logged vector are called: of all features of a service by its digest (no model), and of those that a version reads.
CREATE TABLE IF NOT EXISTS monitoring.feature_names (
  feature_service_digest String,
  model LowCardinality(String) COMMENT 'empty = the whole feature service',
  model_version LowCardinality(String),
  features Array(String) COMMENT 'in vector order'
)
ENGINE = ReplacingMergeTree
ORDER BY (feature_service_digest, model, model_version)
;
CREATE TABLE IF NOT EXISTS monitoring.models (
  model LowCardinality(String),
  task LowCardinality(String) COMMENT 'binary or regression',
  defined_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'wall clock, of the row'
)
ENGINE = ReplacingMergeTree(defined_at)
ORDER BY model
;
-- Retention goes by the wall clock, which neither has by itself.
ALTER TABLE monitoring.labels ADD COLUMN IF NOT EXISTS inserted_at DateTime('UTC') DEFAULT now() COMMENT 'wall clock'
;
ALTER TABLE monitoring.predictions_unreadable ADD COLUMN IF NOT EXISTS inserted_at DateTime('UTC') DEFAULT now() COMMENT 'wall clock'
;
