-- What an analyst asks: rows that came once, joined with what became true. docs/prediction-log.md has the columns.
-- Joined columns have names of their own: a clash would rename those of the prediction.
-- A label of the stream counts where it is the first of its key and came within the horizon; else the newest label that a caller gave; of a model that is not a regression only 0 and 1.
CREATE OR REPLACE VIEW monitoring.predictions_labelled AS
WITH
  l.known = 1 AND l.first_at <= p.as_of + toIntervalMillisecond(l.first_horizon_ms) AS streamed,
  f.known = 1 AND (f.newest_label IN (0, 1) OR p.model IN (SELECT model FROM monitoring.models FINAL WHERE task = 'regression')) AS told
SELECT p.*,
       multiIf(streamed, toNullable(l.first_label), told, toNullable(f.newest_label), NULL) AS label,
       multiIf(streamed, toNullable(l.first_at), told, toNullable(f.newest_at), NULL) AS labelled_at,
       multiIf(streamed, 'stream', told, 'feedback', '') AS label_source
FROM monitoring.predictions AS p
LEFT JOIN (
  SELECT model AS of_model, join_key AS of_key, 1 AS known, min(labelled_at) AS first_at,
         argMin(label, (labelled_at, source_partition, source_offset)) AS first_label,
         argMin(horizon_ms, (labelled_at, source_partition, source_offset)) AS first_horizon_ms
  FROM monitoring.labels
  GROUP BY of_model, of_key
) AS l ON l.of_model = p.model AND l.of_key = p.join_key
LEFT JOIN (
  SELECT prediction_id AS of_prediction, 1 AS known, max(given_at) AS newest_at, argMax(label, (given_at, log_id, log_sequence, log_place)) AS newest_label
  FROM monitoring.feedback
  WHERE NOT isNaN(label)
  GROUP BY of_prediction
) AS f ON f.of_prediction = p.prediction_id
;
CREATE OR REPLACE VIEW monitoring.prediction_log AS
WITH
  multiIf(length(s.features) = length(p.features), s.features,
          length(v.features) = length(p.features), v.features,
          arrayMap(place -> concat('feature_', toString(place)), arrayEnumerate(p.features))) AS names,
  -- Clipped as in libs/numeric/probability-scores.ts.
  least(1 - 1e-7, greatest(1e-7, toFloat64(p.score))) AS chance
SELECT p.prediction_id AS prediction_id, p.endpoint AS endpoint, p.model AS model, p.model_version AS model_version, p.arm AS arm,
       p.rollout_id AS rollout_id, p.rollout_step AS rollout_step, p.as_of AS as_of, p.answered_at AS answered_at,
       p.caller AS caller, p.request_id AS request_id, p.trace_id AS trace_id, p.join_key AS join_key, p.sticky_key AS sticky_key,
       p.request AS request,
       mapFromArrays(names, arrayMap(value -> if(isNaN(value), NULL, value), p.features)) AS features,
       arrayFilter((name, value) -> isNaN(value), names, p.features) AS missing_features,
       multiIf(p.features_given, 'caller', p.fallback, 'nowhere', 'feature-store') AS features_from,
       p.score AS score, p.outputs AS outputs, p.fallback AS fallback, p.cached AS cached, p.explained AS explained,
       p.payload_sampled_out AS payload_sampled_out,
       p.label AS label, p.label_source AS label_source, p.labelled_at AS labelled_at,
       toFloat64(p.score) - p.label AS error,
       error * error AS squared_error,
       multiIf(m.task = 'regression' OR p.label IS NULL, NULL, p.label = 1, -log(chance), -log1p(-chance)) AS log_loss,
       if(m.task = 'regression', NULL, toNullable(least(9, greatest(0, floor(toFloat64(p.score) * 10))) / 10)) AS score_bin,
       p.latency_us AS latency_us, p.features_us AS features_us, p.infer_us AS infer_us,
       toUInt32(greatest(0, toInt64(p.latency_us) - p.features_us - p.infer_us)) AS rest_us
FROM monitoring.predictions_labelled AS p
LEFT JOIN (SELECT * FROM monitoring.feature_names FINAL WHERE model = '') AS s ON s.feature_service_digest = p.feature_service_digest
LEFT JOIN (SELECT * FROM monitoring.feature_names FINAL WHERE model != '') AS v
  ON v.feature_service_digest = p.feature_service_digest AND v.model = p.model AND v.model_version = p.model_version
LEFT JOIN (SELECT * FROM monitoring.models FINAL) AS m ON m.model = p.model
;
CREATE OR REPLACE VIEW monitoring.shadow_pairs AS
WITH
  least(1 - 1e-7, greatest(1e-7, toFloat64(p.score))) AS primary_chance,
  least(1 - 1e-7, greatest(1e-7, toFloat64(s.score))) AS shadow_chance,
  p.model NOT IN (SELECT model FROM monitoring.models FINAL WHERE task = 'regression') AND p.label IS NOT NULL AS is_lossy
SELECT p.prediction_id AS prediction_id, p.endpoint AS endpoint, p.model AS model, s.rollout_id AS rollout_id, s.rollout_step AS rollout_step,
       p.as_of AS as_of, p.answered_at AS answered_at, p.join_key AS join_key,
       p.model_version AS primary_version, s.model_version AS shadow_version,
       p.score AS primary_score, s.score AS shadow_score, toFloat64(s.score) - p.score AS score_difference,
       p.label AS label, p.label_source AS label_source,
       toFloat64(p.score) - p.label AS primary_error, toFloat64(s.score) - p.label AS shadow_error,
       multiIf(NOT is_lossy, NULL, p.label = 1, -log(primary_chance), -log1p(-primary_chance)) AS primary_log_loss,
       multiIf(NOT is_lossy, NULL, p.label = 1, -log(shadow_chance), -log1p(-shadow_chance)) AS shadow_log_loss,
       p.infer_us AS primary_infer_us, s.run_us AS shadow_run_us
FROM monitoring.predictions_labelled AS p
INNER JOIN monitoring.shadow_predictions AS s ON s.endpoint = p.endpoint AND s.primary_id = p.prediction_id
;
-- What failed has no score and no latency: it is counted beside what was answered.
CREATE OR REPLACE VIEW monitoring.predictions_hourly AS
SELECT toStartOfHour(as_of) AS hour, endpoint, model, model_version, arm,
       countIf(answered) AS predictions, countIf(NOT answered) AS failures,
       countIf(fallback) AS fallbacks, countIf(cached) AS cache_hits, countIf(explained) AS explanations,
       count(label) AS labelled, avgIf(score, answered) AS mean_score, avg(label) AS mean_label,
       quantileIf(0.05)(score, answered) AS score_p05, quantileIf(0.5)(score, answered) AS score_p50, quantileIf(0.95)(score, answered) AS score_p95,
       quantileIf(0.5)(latency_us, answered) / 1000 AS latency_p50_ms, quantileIf(0.95)(latency_us, answered) / 1000 AS latency_p95_ms,
       quantileIf(0.99)(latency_us, answered) / 1000 AS latency_p99_ms,
       quantileIf(0.99)(features_us, answered) / 1000 AS features_p99_ms, quantileIf(0.99)(infer_us, answered) / 1000 AS infer_p99_ms
FROM (
  SELECT as_of, endpoint, model, model_version, arm, true AS answered, fallback, cached, explained, label, score, latency_us, features_us, infer_us
  FROM monitoring.predictions_labelled
  UNION ALL
  SELECT as_of, endpoint, model, model_version, arm, false AS answered, false, false, false, NULL, nan, 0, 0, 0
  FROM monitoring.prediction_failures
)
GROUP BY hour, endpoint, model, model_version, arm
;
