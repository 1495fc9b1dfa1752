"""An analyst who has clickhouse-connect: reads predictions by id from the log. Prints them as one JSON object."""

import json
import sys
from urllib.parse import urlparse

import clickhouse_connect

url, ids = urlparse(sys.argv[1]), json.loads(sys.argv[2])
client = clickhouse_connect.get_client(host=url.hostname, port=url.port, username=url.username, password=url.password, compress="gzip")
result = client.query(
    "SELECT prediction_id, score, length(features), caller FROM monitoring.predictions WHERE prediction_id IN {ids:Array(String)} ORDER BY prediction_id",
    parameters={"ids": ids},
)
print(json.dumps({"rows": result.result_rows, "version": client.server_version}))
