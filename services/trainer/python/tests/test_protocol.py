"""How a job starts, is told to stop, and ends: exit codes and last events are what the orchestrator decides by."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
import unittest
from pathlib import Path

from .job_harness import Job, base_spec, run_job, start_job, synthetic_columns, write_dataset

# Never ends by itself within a test: a learning rate that improves for ever, without early stopping.
ENDLESS = {"num_iterations": 1_000_000, "early_stopping_round": 0, "learning_rate": 1e-6}


class ProtocolTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls._directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls._directory.cleanup)
        cls.root = Path(cls._directory.name)
        cls.data = write_dataset(cls.root / "data.parquet", synthetic_columns(2000))

    def run_here(self, **changes: object) -> tuple[int, Job]:
        directory = self.root / self.id()
        return run_job(base_spec(directory, self.data, **changes), directory / "work")

    def start_endless(self, **changes: object) -> Job:
        directory = self.root / self.id()
        job = start_job(base_spec(directory, self.data, **{"params": ENDLESS, **changes}), directory / "work")
        self.addCleanup(job.kill)
        return job

    def assert_failed(self, job: Job, error_class: str, code: str) -> None:
        last = job.events[-1]
        self.assertEqual((last["type"], last.get("class"), last.get("code")), ("failed", error_class, code), last)

    def test_events_are_numbered_attributed_and_mirrored(self) -> None:
        code, job = self.run_here(params={"num_iterations": 20})
        self.assertEqual(code, 0, job.events[-1])
        self.assertEqual([event["seq"] for event in job.events], list(range(1, len(job.events) + 1)))
        self.assertEqual({(event["v"], event["job_id"], event["attempt"]) for event in job.events}, {("mesh-job/1", "job-1", 2)})
        self.assertEqual((job.events[0]["type"], job.events[-1]["type"]), ("started", "finished"))
        mirrored = [json.loads(line) for line in (job.work_dir / "events.jsonl").read_text().splitlines()]
        self.assertEqual(mirrored, job.events)

    def test_a_cancel_line_ends_a_job_in_native_code(self) -> None:
        job = self.start_endless()
        job.wait_for("progress")
        job.send(b'{"type":"cancel","reason":"superseded"}')
        self.assertEqual(job.end(), 143)
        self.assert_failed(job, "infra", "cancelled")
        self.assertEqual(job.events[-1]["message"], "superseded")

    def test_closing_standard_input_cancels(self) -> None:
        job = self.start_endless()
        job.wait_for("progress")
        job.process.stdin.close()
        self.assertEqual(job.end(), 143)
        self.assert_failed(job, "infra", "cancelled")

    def test_sigterm_cancels_even_during_imports(self) -> None:
        job = self.start_endless()
        job.wait_for("started")
        sent = time.monotonic()
        os.kill(job.process.pid, signal.SIGTERM)
        self.assertEqual(job.end(), 143)
        self.assertLess(time.monotonic() - sent, 5)
        self.assert_failed(job, "infra", "cancelled")

    def test_sigint_interrupts(self) -> None:
        job = self.start_endless()
        job.wait_for("progress")
        os.kill(job.process.pid, signal.SIGINT)
        self.assertEqual(job.end(), 130)
        self.assert_failed(job, "infra", "interrupted")

    def test_a_time_limit_ends_a_job(self) -> None:
        job = self.start_endless(limits={"threads": 1, "wall_s": 1.5})
        self.assertEqual(job.end(), 10)
        self.assert_failed(job, "user", "time-limit")

    def test_a_memory_limit_ends_a_job(self) -> None:
        job = self.start_endless(limits={"threads": 1, "rss_mb": 40})
        self.assertEqual(job.end(), 137)
        self.assert_failed(job, "infra", "memory-limit")

    def test_heartbeats_come_while_native_code_trains_and_take_a_new_interval(self) -> None:
        job = self.start_endless(heartbeat_s=600)
        job.wait_for("progress")
        self.assertEqual(job.of_type("heartbeat"), [])
        job.send(b'{"type":"set_heartbeat","seconds":0.05}')
        heartbeat = job.wait_for("heartbeat")
        self.assertGreater(heartbeat["rss_mb"], 10)

    def test_unknown_control_lines_are_logged_and_ignored(self) -> None:
        job = self.start_endless()
        job.wait_for("progress")
        for line in (b"not json", b"[]", b'{"type":"dance"}', b'{"type":"set_heartbeat","seconds":true}', b'{"type":"cancel"}'):
            job.send(line)
        self.assertEqual(job.end(), 143)
        self.assertEqual(len([event for event in job.of_type("log") if event["level"] == "warn"]), 4)

    def test_a_cancelled_job_leaves_no_artifact(self) -> None:
        job = self.start_endless()
        job.wait_for("progress")
        job.send(b'{"type":"cancel"}')
        job.end()
        self.assertEqual(os.listdir(self.root / self.id() / "out"), [])
