CREATE TABLE IF NOT EXISTS monitoring.references (
  model LowCardinality(String),
  version LowCardinality(String),
  position UInt16 COMMENT 'place in the logged vector, from 1; 0 = the score',
  feature String,
  edges Array(Float64) COMMENT 'ascending, distinct, at most 255',
  counts Array(UInt64) COMMENT 'below the first edge, between two, from the last on',
  nulls UInt64,
  deviation Float64 COMMENT 'standard deviation of the values'
)
ENGINE = ReplacingMergeTree
ORDER BY (model, version, position)
;
CREATE TABLE IF NOT EXISTS monitoring.alerts (
  fingerprint String COMMENT 'of monitor, endpoint and breach',
  starts_at DateTime64(3, 'UTC') COMMENT 'wall clock',
  state LowCardinality(String) COMMENT 'firing | resolved',
  told UInt8 COMMENT '1 = published, and the webhook has had it or was given up',
  changed_at DateTime64(3, 'UTC') COMMENT 'wall clock',
  monitor LowCardinality(String),
  endpoint LowCardinality(String),
  breach LowCardinality(String),
  summary String,
  alert_base64 String COMMENT 'millrace.monitor.v1.Alert'
)
ENGINE = ReplacingMergeTree(told)
ORDER BY (fingerprint, starts_at, state)
;
