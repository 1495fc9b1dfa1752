"""The specification of a job: checked whole before anything is imported, every problem named by its field."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from .errors import JobError
from .protocol import VERSION
from .spec_reader import SpecReader

KINDS = ("train", "evaluate", "convert", "parity")
ALGORITHMS = ("lightgbm", "sklearn-hgb", "sklearn-logistic")
PICKLED = ("sklearn-hgb", "sklearn-logistic")
TASKS = ("binary", "regression")
STAGES = ("evaluate", "convert", "parity")
SAMPLERS = ("tpe", "random")
PRUNERS = ("median", "none")
# onnx 1.23 and onnxruntime 1.30 agree on these; IR versions above 10 shut older runtimes out.
DEFAULT_OPSET = 18
DEFAULT_ML_OPSET = 3


@dataclass(frozen=True)
class DataSpec:
    path: str
    sha256: str
    row_count: int


@dataclass(frozen=True)
class SearchSpec:
    trials: int
    sampler: str
    pruner: str
    space: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Limits:
    threads: int = 1
    wall_s: float | None = None
    rss_mb: float | None = None


@dataclass(frozen=True)
class ParitySpec:
    """`atol`: largest difference allowed, of probabilities absolutely, of regression values relative to max(1, |value|, root mean square);
    `max_mismatch`: share of rows that may exceed it."""

    n: int = 2000
    atol: float = 1e-5
    max_mismatch: float = 1e-4


@dataclass(frozen=True)
class OnnxSpec:
    opset: int = DEFAULT_OPSET
    ml_opset: int = DEFAULT_ML_OPSET
    parity: ParitySpec = field(default_factory=ParitySpec)


@dataclass(frozen=True)
class JobSpec:
    job_id: str
    attempt: int
    kind: str
    run_id: str
    algorithm: str
    task: str
    params: dict[str, Any]
    search: SearchSpec | None
    seed: int
    data: DataSpec | None
    features: tuple[str, ...]
    target: str
    split_column: str
    output_dir: str
    model: str | None
    model_sha256: str | None
    onnx_input: str | None
    then: tuple[str, ...]
    limits: Limits
    heartbeat_s: float
    onnx: OnnxSpec


def parse_spec(line: bytes | None) -> JobSpec:
    """Raises JobError `bad-spec` whose `fields` lists {field, problem} of everything that is wrong."""
    if line is None:
        raise JobError("bad-spec", "standard input closed before the specification", fields=[])
    try:
        document = json.loads(line)
    except ValueError as error:
        raise JobError("bad-spec", f"the specification is not JSON: {error}", fields=[]) from error
    if not isinstance(document, dict):
        raise JobError("bad-spec", "the specification is not a JSON object", fields=[])
    reader = SpecReader(document)
    spec = _read_job(reader)
    reader.refuse_unknown()
    _check_kind(reader, spec)
    if reader.problems:
        fields = [{"field": name, "problem": problem} for name, problem in reader.problems]
        raise JobError("bad-spec", "; ".join(f"{name}: {problem}" for name, problem in reader.problems), fields=fields)
    return spec


def _read_job(r: SpecReader) -> JobSpec:
    r.choice("v", (VERSION,))
    r.text("experiment_id", default="")
    inputs = r.section("inputs")
    spec = JobSpec(
        job_id=r.text("job_id"),
        attempt=r.integer("attempt", minimum=1, default=1),
        kind=r.choice("kind", KINDS),
        run_id=r.text("run_id", default=""),
        algorithm=r.choice("algorithm", ALGORITHMS),
        task=r.choice("task", TASKS),
        params=r.mapping("params"),
        search=_read_search(r.section("search")) if r.has("search") else None,
        seed=r.integer("seed", minimum=0, default=1),
        data=_read_data(r.section("data")) if r.has("data") else None,
        features=tuple(r.names("features")),
        target=r.text("target", default="label"),
        split_column=r.text("split_column", default="split"),
        output_dir=r.text("output_dir"),
        model=inputs.text("model", default="") or None,
        model_sha256=inputs.sha256("model_sha256", default="") or None,
        onnx_input=inputs.text("onnx", default="") or None,
        then=tuple(r.choices("then", STAGES)),
        limits=_read_limits(r.section("limits")),
        heartbeat_s=r.number("heartbeat_s", minimum=0.05, default=5.0),
        onnx=_read_onnx(r.section("onnx")),
    )
    inputs.refuse_unknown()
    return spec


def _read_data(r: SpecReader) -> DataSpec:
    r.choice("format", ("parquet",))
    data = DataSpec(path=r.file_path("uri"), sha256=r.sha256("sha256"), row_count=r.integer("row_count", minimum=0))
    r.refuse_unknown()
    return data


def _read_search(r: SpecReader) -> SearchSpec:
    search = SearchSpec(
        trials=r.integer("trials", minimum=1, default=30),
        sampler=r.choice("sampler", SAMPLERS, default="tpe"),
        pruner=r.choice("pruner", PRUNERS, default="median"),
        space=r.search_space("space"),
    )
    r.refuse_unknown()
    return search


def _read_limits(r: SpecReader) -> Limits:
    limits = Limits(
        threads=r.integer("threads", minimum=1, default=1),
        wall_s=r.number("wall_s", minimum=0.001, default=0.0) or None,
        rss_mb=r.number("rss_mb", minimum=1, default=0.0) or None,
    )
    r.refuse_unknown()
    return limits


def _read_onnx(r: SpecReader) -> OnnxSpec:
    p = r.section("parity")
    parity = ParitySpec(
        n=p.integer("n", minimum=1, default=2000),
        atol=p.number("atol", minimum=0, default=1e-5),
        max_mismatch=p.number("max_mismatch", minimum=0, default=1e-4),
    )
    p.refuse_unknown()
    onnx = OnnxSpec(
        opset=r.integer("opset", minimum=9, default=DEFAULT_OPSET),
        ml_opset=r.integer("ml_opset", minimum=1, default=DEFAULT_ML_OPSET),
        parity=parity,
    )
    r.refuse_unknown()
    return onnx


def _check_kind(r: SpecReader, spec: JobSpec) -> None:
    """What only some kinds need."""
    if spec.kind != "convert" and spec.data is None:
        r.report("data", f"missing; kind {spec.kind} reads a dataset")
    if spec.kind in ("convert", "parity") and spec.model is None:
        r.report("inputs.model", f"missing; kind {spec.kind} needs a trained model")
    if spec.model is not None and spec.model_sha256 is None and spec.algorithm in PICKLED:
        r.report("inputs.model_sha256", "missing; unpickling runs what a file says, so it is loaded by its digest only")
    if spec.kind == "parity" and spec.onnx_input is None:
        r.report("inputs.onnx", "missing; kind parity compares it with inputs.model")
    if spec.kind == "evaluate" and spec.model is None and spec.onnx_input is None:
        r.report("inputs", "kind evaluate needs model, onnx or both")
    if spec.then and spec.kind != "train":
        r.report("then", "only kind train has further stages")
    if "parity" in spec.then and "convert" not in spec.then:
        r.report("then", "parity needs convert before it")
    if spec.algorithm == "sklearn-logistic" and spec.task == "regression":
        r.report("algorithm", "sklearn-logistic does task binary only")
    if spec.target in spec.features:
        r.report("features", f"contains the target {spec.target!r}")
