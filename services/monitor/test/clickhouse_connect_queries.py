"""Asks ClickHouse what is on standard input, a JSON list of queries, as an analyst does who has clickhouse-connect. Prints the rows of each by column name, as JSON."""

import json
import math
import sys
from urllib.parse import urlparse

import clickhouse_connect

url = urlparse(sys.argv[1])
client = clickhouse_connect.get_client(
    host=url.hostname, port=url.port, username=url.username, password=url.password, compress="gzip"
)


def plain(value):
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 6)
    return value if isinstance(value, (int, str, bool)) or value is None else str(value)


answers = []
for query in json.load(sys.stdin):
    result = client.query(query)
    answers.append([{name: plain(value) for name, value in zip(result.column_names, row)} for row in result.result_rows])
json.dump(answers, sys.stdout)
