"""Threads beside the job: heartbeats, limits, and the ways it is told to stop.

A cancelled job ends at once, in whatever library it is: artifacts appear by renaming, so nothing half-written can be taken for whole.
Signals are blocked and waited for in a thread, because a handler would run only when native code returns to the interpreter.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import threading
import time
from typing import NoReturn

from .errors import CODES
from .protocol import EXIT_LOCK_WAIT_S, ControlChannel, EventWriter
from .spec import JobSpec

SIGNALS = {signal.SIGTERM, signal.SIGINT}
LIMIT_POLL_S = 0.25


def block_signals() -> None:
    """Call before any thread starts: threads inherit the mask."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


class Watch:
    def __init__(self, spec: JobSpec, events: EventWriter, control: ControlChannel) -> None:
        self._spec = spec
        self._events = events
        self._control = control
        self._started = time.monotonic()
        self._heartbeat_s = spec.heartbeat_s
        self._over = threading.Event()
        self.step = 0

    def start(self) -> None:
        for target in (self._beat, self._await_signal, self._await_control):
            threading.Thread(target=target, name=target.__name__, daemon=True).start()

    def stop(self) -> None:
        """The job has ended; its last event is the next one."""
        self._over.set()

    def _beat(self) -> None:
        last = self._started
        while not self._over.wait(min(LIMIT_POLL_S, self._heartbeat_s)):
            self._check_limits()
            if time.monotonic() < last + self._heartbeat_s:
                continue
            last = time.monotonic()
            self._events.emit("heartbeat", rss_mb=round(rss_mb(), 1), cpu_s=round(time.process_time(), 2), step=self.step)

    def _check_limits(self) -> None:
        limits = self._spec.limits
        if limits.wall_s is not None and time.monotonic() - self._started > limits.wall_s:
            self._end("time-limit", f"ran longer than limits.wall_s = {limits.wall_s:g} s")
        if limits.rss_mb is not None and (used := rss_mb()) > limits.rss_mb:
            self._end("memory-limit", f"uses {used:.0f} MB, more than limits.rss_mb = {limits.rss_mb:g}")

    def _await_signal(self) -> None:
        received = signal.sigwait(SIGNALS)
        self._end("interrupted" if received == signal.SIGINT else "cancelled", signal.Signals(received).name)

    def _await_control(self) -> None:
        while (line := self._control.read_line()) is not None:
            self._obey(line)
        self._end("cancelled", "standard input was closed")

    def _obey(self, line: bytes) -> None:
        try:
            message = json.loads(line)
            kind = message["type"]
        except (ValueError, TypeError, KeyError):
            self._events.emit("log", level="warn", message="a control line is not a JSON object with a type; ignored")
            return
        if kind == "cancel":
            self._end("cancelled", str(message.get("reason", "cancel")))
        seconds = message.get("seconds")
        if kind == "set_heartbeat" and is_positive(seconds):
            self._heartbeat_s = float(seconds)
            return
        self._events.emit("log", level="warn", message=f"unknown control message {kind!r}; ignored")

    def _end(self, code: str, message: str) -> NoReturn | None:
        if self._over.is_set():
            return None
        error_class, exit_code = CODES[code]
        self._events.emit_last("failed", EXIT_LOCK_WAIT_S, **{"class": error_class}, code=code, message=message)
        os._exit(exit_code)


def is_positive(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0


def rss_mb() -> float:
    """Resident memory of this process in MiB; its peak where /proc is missing."""
    try:
        with open("/proc/self/statm", "rb") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
