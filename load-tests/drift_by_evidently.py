"""Drift of the same rows by Evidently: float32 rows of `features` values in two files, `reference` and `current`; prints one JSON object."""

import json
import sys
import time

import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset


def frame(path: str, features: int) -> pd.DataFrame:
    values = np.fromfile(path, dtype="<f4").reshape(-1, features)
    return pd.DataFrame(values, columns=[f"f{i}" for i in range(1, features + 1)])


def main(features: int, reference_path: str, current_path: str) -> None:
    reference, current = frame(reference_path, features), frame(current_path, features)
    definition = DataDefinition(numerical_columns=list(reference.columns))
    began = time.perf_counter()
    report = Report([DataDriftPreset(method="psi")])
    result = report.run(
        Dataset.from_pandas(current, data_definition=definition),
        Dataset.from_pandas(reference, data_definition=definition),
    )
    result.json()
    print(json.dumps({"rows": len(current), "seconds": round(time.perf_counter() - began, 3)}))


main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
