"""What SHAP itself says of a LightGBM model: `python shap_oracle.py <model.txt> <background.f32> <rows.f32> <output.f64>` writes, as float64, the expected value
and then the contributions [rows, features]; prints seconds and versions as JSON."""

import json
import sys
import time

import lightgbm
import numpy as np
import shap

model, background, rows, output = sys.argv[1:]
booster = lightgbm.Booster(model_file=model)
width = booster.num_feature()
read = lambda path: np.fromfile(path, dtype="<f4").reshape(-1, width).astype(np.float64)
explainer = shap.TreeExplainer(booster, data=read(background), feature_perturbation="interventional")
x = read(rows)
explainer.shap_values(x[:1])
began = time.perf_counter()
values = explainer.shap_values(x)
seconds = time.perf_counter() - began
np.concatenate([[np.ravel(explainer.expected_value)[-1]], np.ravel(values)]).astype("<f8").tofile(output)
print(json.dumps({"seconds": seconds, "rows": len(x), "shap": shap.__version__}))
