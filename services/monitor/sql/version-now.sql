SELECT any(model) AS model, toUnixTimestamp64Milli(max(as_of)) AS newestMs, count() AS predictions
FROM monitoring.predictions
WHERE endpoint = {endpoint: String} AND model_version = {version: String}
