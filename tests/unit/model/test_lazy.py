"""What reads a manifest or compares metrics needs no scikit-learn: it comes when a model is fitted or opened.

Then too, one thread fits: limits hold for the libraries alone that are there when they are set.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
MODULES = ("spec", "columns", "calibration", "metrics", "importance", "files", "trees", "fitted", "fitting", "manifest")


def test_scikit_learn_comes_with_a_model() -> None:
    imports = "; ".join(f"import ray_pipeline.model.{name}" for name in MODULES)
    code = f"import sys; {imports}; print(sorted({{'sklearn', 'skops', 'scipy', 'ray', 'pandas'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_one_thread_fits_in_a_process_that_had_no_scikit_learn() -> None:
    code = """
from ray_pipeline.errors import TrainingError
from ray_pipeline.model.fitting import fit
from ray_pipeline.model.spec import model_spec_of
from tests.unit.model.tables import training_table
spec = {"name": "late", "training_set": "late", "estimator": "tests.unit.model.estimators.Counting",
        "parameters": {"max_iter": 2}}
try:
    fit(model_spec_of(spec), training_table())
except TrainingError as error:
    assert "types that are not listed: tests.unit.model.estimators.Counting" in str(error), error
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[('blas', 1), ('openmp', 1)]"
