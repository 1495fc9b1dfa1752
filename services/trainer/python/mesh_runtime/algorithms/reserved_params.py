"""Parameters that a specification must not set, because the runtime does."""

from __future__ import annotations

from typing import Any

from ..errors import JobError


def refuse_reserved(params: dict[str, Any], reserved: set[str]) -> None:
    found = sorted(reserved & params.keys())
    if found:
        fields = [{"field": f"params.{name}", "problem": "set by the runtime, or without an ONNX form"} for name in found]
        message = "; ".join(f"{entry['field']}: {entry['problem']}" for entry in fields)
        raise JobError("bad-spec", message, fields=fields)
