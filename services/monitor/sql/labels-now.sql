SELECT count() AS labels, toUnixTimestamp64Milli(max(labelled_at)) AS newestMs
FROM monitoring.labels
WHERE model = {model: String}
