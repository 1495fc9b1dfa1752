"""Drift by SciPy, and PSI by Evidently's published rule, of the samples that come as JSON on standard input; the figures go to standard output."""

import json
import sys

import numpy as np
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp, wasserstein_distance


def filled(counts: np.ndarray) -> np.ndarray:
    shares = counts / counts.sum()
    smallest = shares[shares != 0].min()
    shares[shares == 0] = smallest / 10**6 if smallest <= 0.0001 else 0.0001
    return shares


def figures(case: dict) -> dict:
    reference, current = np.array(case["reference"]), np.array(case["current"])
    edges = np.concatenate([[-np.inf], case["edges"], [np.inf]])
    # numpy's last bin is closed, ours are not: infinity as the last edge makes them alike.
    p, q = np.histogram(reference, edges)[0], np.histogram(current, edges)[0]
    a, b = filled(p), filled(q)
    # A bin's rows at its lower edge; those below the first edge at the first.
    places = np.concatenate([case["edges"][:1], case["edges"]])
    return {
        "ks": ks_2samp(reference, current).statistic,
        "wasserstein": wasserstein_distance(reference, current),
        "binnedWasserstein": wasserstein_distance(places, places, p, q),
        "js": jensenshannon(p, q),
        "psi": float(np.sum((a - b) * np.log(a / b))),
        "deviation": float(np.std(reference)),
    }


json.dump([figures(case) for case in json.load(sys.stdin)], sys.stdout)
