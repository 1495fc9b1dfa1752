-- How far labels of a model are: of its stream, and how many labels callers gave, whichever model they are about.
SELECT count() AS labels, toUnixTimestamp64Milli(max(labelled_at)) AS newestMs,
       (SELECT count() FROM monitoring.feedback WHERE NOT isNaN(label)) AS told
FROM monitoring.labels
WHERE model = {model: String}
