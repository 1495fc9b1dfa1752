-- Where an endpoint stands: the live version, by the newest 1,000 predictions that no canary answered, how far it is, and how many predictions and labels there are.
SELECT topK(1)(model_version)[1] AS version, any(model) AS model, toUnixTimestamp64Milli(max(as_of)) AS newestMs,
       (SELECT count() FROM monitoring.predictions WHERE endpoint = {endpoint: String}) AS predictions
FROM (
  SELECT model_version, model, as_of
  FROM monitoring.predictions
  WHERE endpoint = {endpoint: String} AND arm = 'live'
  ORDER BY as_of DESC
  LIMIT 1000
)
