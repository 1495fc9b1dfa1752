"""Drift by Evidently itself of the samples that come as JSON on standard input: PSI and Jensen-Shannon of values that are bins already, Wasserstein of the values. Figures go to standard output."""

import json
import sys
import warnings

warnings.filterwarnings("ignore")  # Evidently uses what pandas and SciPy deprecate

import pandas as pd
from evidently.legacy.calculations.stattests import jensenshannon_stat_test, psi_stat_test, wasserstein_stat_test

anything = 0.1  # a threshold, which changes no score


def figures(case: dict) -> dict:
    bins = [pd.Series(case[name]).astype(str) for name in ("referenceBins", "currentBins")]
    values = [pd.Series(case[name]) for name in ("reference", "current")]
    return {
        "psi": psi_stat_test(*bins, "cat", anything).drift_score,
        "js": jensenshannon_stat_test(*bins, "cat", anything).drift_score,
        "wasserstein": wasserstein_stat_test(*values, "num", anything).drift_score,
    }


json.dump([figures(case) for case in json.load(sys.stdin)], sys.stdout)
