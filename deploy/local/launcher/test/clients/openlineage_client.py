"""A job that tells of its run with OpenLineage's own client: START and COMPLETE, plain or gzip, the COMPLETE sent twice. Prints the statuses, and what a wrong event is answered."""

import json
import sys

import requests
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import error_message_run, schema_dataset
from openlineage.client.transport.http import ApiKeyTokenProvider, HttpCompression, HttpConfig, HttpTransport

url, token, namespace, run_id = sys.argv[1:5]


def client(**options):
    auth = ApiKeyTokenProvider({"api_key": token})
    return OpenLineageClient(transport=HttpTransport(HttpConfig(url=url, auth=auth, **options)))


job = Job(namespace=namespace, name="daily.orders")
schema = schema_dataset.SchemaDatasetFacet(fields=[schema_dataset.SchemaDatasetFacetFields(name="amount", type="DECIMAL")])
inputs = [InputDataset(namespace=f"kafka://{namespace}:9092", name="orders")]
outputs = [OutputDataset(namespace=f"abfss://data@{namespace}.example.net", name="/gold/orders", facets={"schema": schema})]


def event(state, time, **over):
    return RunEvent(eventType=state, eventTime=time, run=Run(runId=run_id), job=job, producer="https://example.org/orders", **over)


statuses = []
plain, packed = client(), client(compression=HttpCompression.GZIP)
statuses.append(plain.transport.emit(event(RunState.START, "2026-11-23T12:00:00.000001+00:00", inputs=inputs)).status_code)
complete = event(RunState.COMPLETE, "2026-11-23T12:01:00.5+00:00", inputs=inputs, outputs=outputs)
for _ in range(2):
    statuses.append(packed.transport.emit(complete).status_code)
plain.emit(event(RunState.OTHER, "2026-11-23T12:00:30+00:00"))

wrong = event(RunState.FAIL, "2026-11-23T12:01:00", inputs=inputs)
wrong.run.facets["error"] = error_message_run.ErrorMessageRunFacet(message="no", programmingLanguage="python")
try:
    plain.transport.emit(wrong)
    refusal = None
except requests.HTTPError as error:
    refusal = [error.response.status_code, error.response.json()["error"]["message"]]
print(json.dumps({"statuses": statuses, "refusal": refusal}))
