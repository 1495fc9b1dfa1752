-- What the declared fallback answered, no version did.
WITH
  (
    SELECT quantileExact(0.99)(latency_us)
    FROM monitoring.predictions
    -- An answer from the response cache says nothing of how fast a version is, and a new version begins with none.
    WHERE endpoint = {endpoint: String} AND rollout_id = {rollout: String} AND arm = 'live' AND NOT fallback AND NOT cached
  ) AS live_p99,
  -- The first label of a key counts, within the horizon, as in monitoring.predictions_labelled.
  labels AS (
    SELECT join_key, min(labelled_at) AS first_at,
           argMin(label, (labelled_at, source_partition, source_offset)) AS first_label,
           argMin(horizon_ms, (labelled_at, source_partition, source_offset)) AS first_horizon_ms
    FROM monitoring.labels
    WHERE model = {model: String} AND join_key IN (
      SELECT join_key FROM monitoring.predictions WHERE endpoint = {endpoint: String} AND rollout_id = {rollout: String}
    )
    GROUP BY join_key
  ),
  labelled AS (
    SELECT p.prediction_id AS prediction_id, p.arm AS arm, p.score AS score, l.first_label AS label
    FROM monitoring.predictions AS p
    INNER JOIN labels AS l ON l.join_key = p.join_key
    WHERE p.endpoint = {endpoint: String} AND p.rollout_id = {rollout: String} AND NOT p.fallback
      AND l.first_at <= p.as_of + toIntervalMillisecond(l.first_horizon_ms)
  ),
  -- Probabilities are clipped as in libs/numeric/probability-scores.ts.
  losses AS (
    SELECT p.arm AS arm, s.primary_id != '' AS mirrored,
           least(1 - 1e-7, greatest(1e-7, toFloat64(p.score))) AS q,
           least(1 - 1e-7, greatest(1e-7, toFloat64(s.score))) AS shadow_q,
           if(p.label = 1, -log(q), -log1p(-q)) AS loss,
           if(p.label = 1, -log(shadow_q), -log1p(-shadow_q)) AS shadow_loss
    FROM labelled AS p
    LEFT JOIN (
      SELECT primary_id, score FROM monitoring.shadow_predictions
      WHERE endpoint = {endpoint: String} AND rollout_id = {rollout: String}
    ) AS s ON s.primary_id = p.prediction_id
  ),
  -- Rows of a step by who tried them, answered and failed. That a worker was away is no version's failure.
  counts AS (
    SELECT rollout_step AS step, arm, 0 AS failed, count() AS rows FROM monitoring.predictions
    WHERE endpoint = {endpoint: String} AND rollout_id = {rollout: String} AND NOT fallback GROUP BY step, arm
    UNION ALL
    SELECT rollout_step AS step, 'shadow' AS arm, 0 AS failed, count() AS rows FROM monitoring.shadow_predictions
    WHERE endpoint = {endpoint: String} AND rollout_id = {rollout: String} GROUP BY step
    UNION ALL
    SELECT rollout_step AS step, arm, 1 AS failed, count() AS rows FROM monitoring.prediction_failures
    WHERE endpoint = {endpoint: String} AND rollout_id = {rollout: String} AND code != 'worker-away' GROUP BY step, arm
  )
SELECT
  (SELECT groupArray((step, toString(arm), failed, rows)) FROM counts) AS step_counts,
  -- Count, mean and variance of the pairs' differences, of canary rows and of live rows; in one, so that the join is made once.
  (
    SELECT (
      (countIf(mirrored), avgIf(shadow_loss - loss, mirrored), varSampIf(shadow_loss - loss, mirrored)),
      (countIf(arm = 'canary'), avgIf(loss, arm = 'canary'), varSampIf(loss, arm = 'canary')),
      (countIf(arm = 'live'), avgIf(loss, arm = 'live'), varSampIf(loss, arm = 'live'))
    )
    FROM losses
  ) AS loss_moments,
  toFloat64(live_p99) AS live_p99_us,
  (
    SELECT (count(), countIf(latency_us > live_p99 * {ratio: Float64})) FROM monitoring.predictions
    WHERE endpoint = {endpoint: String} AND rollout_id = {rollout: String} AND arm = 'canary' AND NOT cached
  ) AS canary_latency
