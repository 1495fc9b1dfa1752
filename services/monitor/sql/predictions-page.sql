-- A page of the prediction log, newest as_of first, of the newest `scan` rows that the other filters let through. Keys are sorted and joined with labels first, and whole
-- rows read for the page alone. What counts as a label is what counts in monitoring.predictions_labelled.
WITH
  keys AS (
    SELECT endpoint, as_of, prediction_id, model, join_key
    FROM monitoring.predictions
    WHERE ({endpoint: String} = '' OR endpoint = {endpoint: String})
      AND ({version: String} = '' OR model_version = {version: String})
      AND ({arm: String} = '' OR arm = {arm: String})
      AND ({from: Int64} = 0 OR as_of >= fromUnixTimestamp64Milli({from: Int64}))
      AND ({to: Int64} = 0 OR as_of < fromUnixTimestamp64Milli({to: Int64}))
      AND ({predictionId: String} = '' OR prediction_id = {predictionId: String})
      AND ({joinKey: String} = '' OR join_key = {joinKey: String})
      AND ({stickyKey: String} = '' OR sticky_key = {stickyKey: String})
      AND ({anyScore: Bool} OR (score >= toFloat32({minScore: Float64}) AND score <= toFloat32({maxScore: Float64})))
      AND (NOT {fallbackOnly: Bool} OR fallback)
      AND ({beforeId: String} = '' OR (as_of, prediction_id) < (fromUnixTimestamp64Milli({beforeMs: Int64}), {beforeId: String}))
    ORDER BY as_of DESC, prediction_id DESC
    LIMIT {scan: UInt64}
  ),
  labels AS (
    SELECT model, join_key, 1 AS known, min(labelled_at) AS first_at,
           argMin(label, (labelled_at, source_partition, source_offset)) AS first_label,
           argMin(horizon_ms, (labelled_at, source_partition, source_offset)) AS first_horizon_ms
    FROM monitoring.labels
    WHERE (model, join_key) IN (SELECT model, join_key FROM keys)
    GROUP BY model, join_key
  ),
  told AS (
    SELECT prediction_id, 1 AS known, argMax(label, (given_at, log_id, log_sequence, log_place)) AS newest_label
    FROM monitoring.feedback
    WHERE NOT isNaN(label) AND prediction_id IN (SELECT prediction_id FROM keys)
    GROUP BY prediction_id
  ),
  page AS (
    SELECT k.endpoint AS endpoint, k.as_of AS as_of, k.prediction_id AS prediction_id,
           l.known = 1 AND l.first_at <= k.as_of + toIntervalMillisecond(l.first_horizon_ms) AS is_streamed,
           t.known = 1 AND (t.newest_label IN (0, 1) OR k.model IN (SELECT model FROM monitoring.models FINAL WHERE task = 'regression')) AS is_told,
           multiIf(is_streamed, toNullable(l.first_label), is_told, toNullable(t.newest_label), NULL) AS label,
           multiIf(is_streamed, 'stream', is_told, 'feedback', '') AS label_source
    FROM keys AS k
    LEFT JOIN labels AS l ON l.model = k.model AND l.join_key = k.join_key
    LEFT JOIN told AS t ON t.prediction_id = k.prediction_id
    WHERE {label: String} = '' OR ({label: String} = 'known') = (label IS NOT NULL)
    ORDER BY as_of DESC, prediction_id DESC
    LIMIT {limit: UInt64}
  )
SELECT p.prediction_id AS predictionId, p.endpoint AS endpoint, p.model AS model, p.model_version AS modelVersion, p.arm AS arm,
       toUnixTimestamp64Milli(p.as_of) AS asOfMs, toUnixTimestamp64Milli(p.answered_at) AS answeredAtMs,
       p.join_key AS joinKey, p.sticky_key AS stickyKey, p.score AS score, page.label AS label, page.label_source AS labelSource, p.request AS request,
       p.features AS features, p.feature_service_digest AS featureServiceDigest,
       p.fallback AS fallback, p.latency_us AS latencyUs, p.caller AS caller, p.rollout_id AS rolloutId, p.rollout_step AS rolloutStep,
       p.features_us AS featuresUs, p.infer_us AS inferUs, p.cached AS cached, p.explained AS explained, p.payload_sampled_out AS payloadSampledOut
FROM monitoring.predictions AS p
INNER JOIN page ON page.prediction_id = p.prediction_id
WHERE (p.endpoint, p.as_of, p.prediction_id) IN (SELECT endpoint, as_of, prediction_id FROM page)
ORDER BY p.as_of DESC, p.prediction_id DESC
