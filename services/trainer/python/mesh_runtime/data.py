"""The dataset snapshot: checked against its digest and row count, cast to float32 before anything is fitted.

Serving computes in float32. A model fitted to float64 can split between values that float32 does not tell apart; the cast before
fitting removes that class of error.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .errors import JobError
from .spec import DataSpec

TRAIN, VALIDATE = "train", "validate"
HASH_BLOCK_BYTES = 1 << 20
# Integers above it are rounded by float32.
FLOAT32_EXACT_INTEGER = 2**24


@dataclass(frozen=True)
class Rows:
    """`x`: float32 [n, F], row-major, NaN = missing; `y`: float32 [n], never NaN; for task binary 0 or 1."""

    x: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True)
class Dataset:
    features: tuple[str, ...]
    train: Rows
    validate: Rows
    unlabelled: int
    warnings: tuple[str, ...]


def load_dataset(data: DataSpec, features: tuple[str, ...], target: str, split_column: str, task: str) -> Dataset:
    """Reads only the named columns. Rows without a label are dropped and counted. Raises JobError: `data-missing`, `data-digest`,
    `data-row-count`, `data-schema`, `data-values` (labels or splits that are not what they should be), `data-empty` (no labelled row in a split),
    `data-one-class` (task binary, training rows of one class)."""
    file = _open_checked(data)
    missing = [name for name in (*features, target, split_column) if name not in file.schema_arrow.names]
    if missing:
        raise JobError("data-schema", f"the dataset lacks {', '.join(missing)}; it has {', '.join(file.schema_arrow.names)}")
    table = file.read(columns=list(dict.fromkeys([*features, target, split_column])))
    y = _to_float32(table.column(target), target)
    labelled = ~np.isnan(y)
    warnings: list[str] = []
    x = np.empty((table.num_rows, len(features)), dtype=np.float32)
    for index, name in enumerate(features):
        column = table.column(name)
        x[:, index] = _to_float32(column, name)
        if pa.types.is_integer(column.type) and np.any(np.abs(x[:, index]) > FLOAT32_EXACT_INTEGER):
            warnings.append(f"{name} has integers above 2^24, which float32 rounds")
    splits = _read_splits(table.column(split_column), split_column)
    parts = {name: Rows(x[labelled & (splits == name)], y[labelled & (splits == name)]) for name in (TRAIN, VALIDATE)}
    _check_labels(parts, target, task)
    return Dataset(features, parts[TRAIN], parts[VALIDATE], int(np.count_nonzero(~labelled)), tuple(warnings))


def sha256_of(path: str | Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(HASH_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _open_checked(data: DataSpec) -> pq.ParquetFile:
    try:
        found = sha256_of(data.path)
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise JobError("data-missing", f"cannot read the dataset: {error}") from error
    if found != data.sha256:
        raise JobError("data-digest", f"{data.path} has SHA-256 {found}, data.sha256 says {data.sha256}")
    try:
        file = pq.ParquetFile(data.path)
    except pa.ArrowInvalid as error:
        raise JobError("data-schema", f"{data.path} is not a Parquet file: {error}") from error
    if file.metadata.num_rows != data.row_count:
        raise JobError("data-row-count", f"{data.path} has {file.metadata.num_rows} rows, data.row_count says {data.row_count}")
    return file


def _to_float32(column: pa.ChunkedArray, name: str) -> np.ndarray:
    """Nulls become NaN. Float64 values beyond float32's range become infinite, as they would on the way to the served model."""
    kind = column.type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        raise JobError("data-schema", f"column {name} is {kind}; features and labels are numbers or booleans")
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    with np.errstate(over="ignore"):
        return column.to_numpy().astype(np.float32)


def _read_splits(column: pa.ChunkedArray, name: str) -> np.ndarray:
    found = {str(value) for value in column.unique().to_pylist()}
    if unknown := found - {TRAIN, VALIDATE}:
        raise JobError("data-values", f"column {name} holds {', '.join(sorted(unknown)[:5])}; expected {TRAIN} or {VALIDATE}")
    return column.to_numpy().astype(str)


def _check_labels(parts: dict[str, Rows], target: str, task: str) -> None:
    for name, rows in parts.items():
        if len(rows) == 0:
            raise JobError("data-empty", f"split {name} has no row with a label")
        if not np.all(np.isfinite(rows.y)):
            raise JobError("data-values", f"{target} is infinite in split {name}")
        if task == "binary" and not np.all((rows.y == 0) | (rows.y == 1)):
            raise JobError("data-values", f"{target} has values other than 0 and 1 in split {name}")
    if task == "binary" and len(np.unique(parts[TRAIN].y)) < 2:
        raise JobError("data-one-class", f"all {len(parts[TRAIN])} training rows have {target} = {parts[TRAIN].y[0]:g}")
