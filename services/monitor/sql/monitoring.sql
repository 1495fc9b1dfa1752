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
  log_sequence UInt64 COMMENT 'block in it'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(as_of)
ORDER BY (endpoint, as_of, prediction_id)
SETTINGS non_replicated_deduplication_window = 10000
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
