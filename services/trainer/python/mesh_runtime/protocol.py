"""mesh-job/1: the specification comes as one line on standard input, control lines follow it, events leave as JSON lines.

Events go to file descriptor 3, which no library prints to, and to `events.jsonl` in the working directory, from which a restarted
orchestrator reads what it missed; it drops what it has seen by (job_id, attempt, seq).
"""

from __future__ import annotations

import json
import math
import os
import stat
import threading
import time
from pathlib import Path
from typing import Any

from .errors import JobError

VERSION = "mesh-job/1"
EVENTS_FD = 3
MIRROR_NAME = "events.jsonl"
MAX_LINE_BYTES = 8 * 1024 * 1024
# An event is one write; a parent that stopped reading must not keep a cancelled job from ending.
EXIT_LOCK_WAIT_S = 1.0


class EventWriter:
    """Numbers events and writes each with one `write` under a lock, from any thread."""

    def __init__(self, fd: int | None, mirror: Path) -> None:
        self._fd = fd
        self._mirror = os.open(mirror, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._lock = threading.Lock()
        self._seq = 0
        self._identity: dict[str, Any] = {"job_id": None, "attempt": None}

    @classmethod
    def open(cls, directory: Path) -> EventWriter:
        """Must run before anything else opens a file: descriptor 3 counts only if it was inherited as a pipe, a socket or a file."""
        return cls(EVENTS_FD if _is_inherited(EVENTS_FD) else None, directory / MIRROR_NAME)

    def identify(self, job_id: str, attempt: int) -> None:
        self._identity = {"job_id": job_id, "attempt": attempt}

    def emit(self, event_type: str, **fields: object) -> None:
        with self._lock:
            self._write(event_type, fields)

    def emit_last(self, event_type: str, wait_s: float = -1, **fields: object) -> None:
        """For whoever ends the process next, with `os._exit`: the lock stays taken, so nothing follows this event. `wait_s`: give up on
        a writer that is stuck; negative waits for it."""
        if self._lock.acquire(timeout=wait_s):
            self._write(event_type, fields)

    def _write(self, event_type: str, fields: dict[str, object]) -> None:
        self._seq += 1
        event = {"v": VERSION, "seq": self._seq, "ts": _now(), **self._identity, "type": event_type, **fields}
        line = json.dumps(jsonable(event), allow_nan=False, separators=(",", ":")).encode() + b"\n"
        _write_all(self._mirror, line)
        if self._fd is None:
            return
        try:
            _write_all(self._fd, line)
        except BrokenPipeError:
            # The parent is gone; the mirror still has everything, and the closed standard input ends this process.
            self._fd = None


class ControlChannel:
    """Lines of standard input, read with `os.read`: a thread blocked in `sys.stdin.buffer` would abort the interpreter at its end."""

    def __init__(self, fd: int = 0) -> None:
        self._fd = fd
        self._pending = b""

    def read_line(self) -> bytes | None:
        """The next line without its end; None once the other side has closed (an unfinished line is dropped)."""
        while b"\n" not in self._pending:
            if len(self._pending) > MAX_LINE_BYTES:
                raise JobError("bad-spec", f"a line is longer than {MAX_LINE_BYTES} bytes")
            chunk = os.read(self._fd, 65536)
            if chunk == b"":
                return None
            self._pending += chunk
        line, self._pending = self._pending.split(b"\n", 1)
        return line


def jsonable(value: Any) -> Any:
    """JSON has no NaN and no infinity: they become the strings "NaN", "Infinity" and "-Infinity". NumPy scalars become plain numbers."""
    if isinstance(value, dict):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _now() -> int:
    """Milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _is_inherited(fd: int) -> bool:
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISREG(mode)
