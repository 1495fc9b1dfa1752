SELECT encoded_base64
FROM monitoring.judgements FINAL
WHERE rollout_id = {rollout: String}
ORDER BY judged_at DESC
LIMIT {limit: UInt32}
