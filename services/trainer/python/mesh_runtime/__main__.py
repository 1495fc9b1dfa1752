"""`python -u -P -m mesh_runtime`: reads one specification, runs that job, ends with the exit code that says how it went.

Ends by `os._exit`: the exit code is part of the contract, and the teardown of native libraries must not be able to change it.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
import traceback
from pathlib import Path

from .errors import EXIT_OK, JobError
from .protocol import ControlChannel, EventWriter
from .spec import JobSpec, parse_spec
from .watch import Watch, block_signals

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
PACKAGES = ("lightgbm", "numpy", "onnx", "onnxmltools", "onnxruntime", "optuna", "pyarrow", "scikit-learn", "scipy", "skl2onnx")
TRACEBACK_CHARS = 4000


def main() -> int:
    block_signals()
    events = EventWriter.open(Path.cwd())
    control = ControlChannel()
    try:
        spec = parse_spec(control.read_line())
    except JobError as error:
        return _fail(events, error)
    events.identify(spec.job_id, spec.attempt)
    # Read by OpenMP and BLAS as they load, so before the first import of either.
    os.environ.update({name: str(spec.limits.threads) for name in THREAD_VARIABLES})
    events.emit("started", pid=os.getpid(), python=platform.python_version(), host=platform.node(), packages=_versions())
    watch = Watch(spec, events, control)
    watch.start()
    return _run(spec, events, watch)


def _run(spec: JobSpec, events: EventWriter, watch: Watch) -> int:
    try:
        from .jobs import run_job

        result = run_job(spec, events, watch)
    except Exception as error:  # every end is an event and an exit code
        watch.stop()
        return _fail(events, as_job_error(error))
    watch.stop()
    events.emit_last("finished", metrics=result.metrics, artifacts=result.artifacts, **result.details)
    return EXIT_OK


def as_job_error(error: Exception) -> JobError:
    if isinstance(error, JobError):
        return error
    trace = "".join(traceback.format_exception(error))[-TRACEBACK_CHARS:]
    if isinstance(error, MemoryError):
        return JobError("memory-limit", str(error) or "out of memory", traceback=trace)
    if isinstance(error, OSError):
        return JobError("io", str(error), traceback=trace)
    return JobError("internal", f"{type(error).__name__}: {error}", traceback=trace)


def _fail(events: EventWriter, error: JobError) -> int:
    events.emit_last("failed", **{"class": error.error_class}, code=error.code, message=str(error), **error.details)
    return error.exit_code


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "missing"
    return found


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
