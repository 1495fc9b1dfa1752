"""A sender that has the CloudEvents SDK of Python: one event in structured mode and one in binary mode. Prints the two statuses."""

import json
import sys

import requests
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

url, token, first, second = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), json.loads(sys.argv[4])


def event(identity, data):
    attributes = {"id": identity, "source": "/python", "type": "flight.departed", "specversion": "1.0", "datacontenttype": "application/json"}
    return CloudEvent(attributes=attributes, data=data)


statuses = []
for message in (to_structured_event(event("py-structured", first)), to_binary_event(event("py-binary", second))):
    answer = requests.post(url, data=message.body, headers={**message.headers, "authorization": f"Bearer {token}"}, timeout=10)
    statuses.append(answer.status_code)
print(json.dumps(statuses))
