SELECT score
FROM monitoring.predictions
WHERE endpoint = {endpoint: String} AND model_version = {version: String} AND NOT fallback
ORDER BY as_of, prediction_id
LIMIT {limit: UInt64}
