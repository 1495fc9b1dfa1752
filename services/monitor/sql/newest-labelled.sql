SELECT toUnixTimestamp64Milli(max(as_of)) AS newestMs, count() AS rows
FROM monitoring.predictions_labelled
WHERE endpoint = {endpoint: String} AND model_version = {version: String} AND label IS NOT NULL
