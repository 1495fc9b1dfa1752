SELECT position, feature, edges, counts, nulls, deviation
FROM monitoring.references FINAL
WHERE model = {model: String} AND version = {version: String}
ORDER BY position
