"""Runs jobs as the orchestrator does: own process, specification on standard input, events on descriptor 3."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

RUNTIME_ROOT = Path(__file__).resolve().parent.parent
FEATURES = ("delay_mean_1h", "count_7d", "distance", "never_missing", "always_missing")
TIMEOUT_S = 60


def synthetic_columns(rows: int = 4000, seed: int = 7, task: str = "binary") -> dict[str, pa.Array]:
    """A signal, integers, missing values, a column without any and a column with nothing else; every 20th label is unknown."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, len(FEATURES))).astype(np.float32)
    x[:, 1] = rng.integers(0, 40, size=rows)
    x[:, 2] *= 900
    score = x[:, 0] - 0.08 * x[:, 1] + 0.9 * x[:, 3] + 1
    x[rng.random((rows, len(FEATURES))) < np.array([0.2, 0, 0.1, 0, 1])] = np.nan
    label = rng.random(rows) < 1 / (1 + np.exp(-score)) if task == "binary" else score * 30 + rng.normal(size=rows)
    columns = {name: pa.array(x[:, index]) for index, name in enumerate(FEATURES)}
    columns["label"] = pa.array(label.astype(np.float32), mask=np.arange(rows) % 20 == 0)
    columns["split"] = pa.array(np.where(np.arange(rows) < rows * 0.6, "train", "validate"))
    columns["event_time"] = pa.array(np.arange(rows, dtype=np.int64) * 60_000)
    columns["flight_id"] = pa.array([f"f{row}" for row in range(rows)])
    return columns


def write_dataset(path: Path, columns: dict[str, pa.Array]) -> dict[str, Any]:
    """The `data` section of a specification."""
    table = pa.table(columns)
    pq.write_table(table, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"uri": str(path), "format": "parquet", "sha256": digest, "row_count": table.num_rows}


def base_spec(directory: Path, data: dict[str, Any] | None, /, **changes: Any) -> dict[str, Any]:
    spec = {
        "v": "mesh-job/1",
        "job_id": "job-1",
        "attempt": 2,
        "kind": "train",
        "run_id": "run-1",
        "algorithm": "lightgbm",
        "task": "binary",
        "params": {},
        "seed": 3,
        "data": data,
        "features": list(FEATURES),
        "target": "label",
        "split_column": "split",
        "output_dir": str(directory / "out"),
        "limits": {"threads": 1},
        "heartbeat_s": 0.2,
    }
    return {name: value for name, value in {**spec, **changes}.items() if value is not None}


@dataclass
class Job:
    process: subprocess.Popen[bytes]
    work_dir: Path
    events: list[dict[str, Any]] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _reader: threading.Thread | None = None

    def of_type(self, event_type: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == event_type]

    def wait_for(self, event_type: str) -> dict[str, Any]:
        with self._changed:
            if not self._changed.wait_for(lambda: self.of_type(event_type), timeout=TIMEOUT_S):
                raise TimeoutError(f"no {event_type} event; there are {sorted({event['type'] for event in self.events})}")
            return self.of_type(event_type)[0]

    def send(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def end(self) -> int:
        """The exit code, once every event has been read."""
        code = self.process.wait(timeout=TIMEOUT_S)
        assert self._reader is not None
        self._reader.join()
        assert self.process.stdin is not None
        self.process.stdin.close()
        return code

    def kill(self) -> None:
        """For the end of a test that may have failed before the job ended."""
        self.process.kill()
        self.end()

    def read_from(self, fd: int) -> None:
        def read() -> None:
            with os.fdopen(fd, "rb") as lines:
                for line in lines:
                    with self._changed:
                        self.events.append(json.loads(line))
                        self._changed.notify_all()

        self._reader = threading.Thread(target=read, daemon=True)
        self._reader.start()


def start_job(spec: dict[str, Any] | bytes, work_dir: Path) -> Job:
    """Standard input stays open: closing it cancels."""
    work_dir.mkdir(parents=True, exist_ok=True)
    read_end, write_end = os.pipe()

    # The shell puts the pipe at descriptor 3 and becomes the interpreter.
    script = f'exec "$0" -u -P -m mesh_runtime 3>&{write_end} {write_end}>&-'
    environment = {**os.environ, "PYTHONPATH": str(RUNTIME_ROOT), "PYTHONHASHSEED": "0"}
    process = subprocess.Popen(
        ["/bin/bash", "-c", script, sys.executable], stdin=subprocess.PIPE, cwd=work_dir, env=environment, pass_fds=(write_end,)
    )
    os.close(write_end)
    job = Job(process, work_dir)
    job.read_from(read_end)
    job.send(spec if isinstance(spec, bytes) else json.dumps(spec).encode())
    return job


def run_job(spec: dict[str, Any] | bytes, work_dir: Path) -> tuple[int, Job]:
    job = start_job(spec, work_dir)
    return job.end(), job
