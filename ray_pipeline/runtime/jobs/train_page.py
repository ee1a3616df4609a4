"""The page of a version, which is one of its files: it is made before the version has a number."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from ray_pipeline.model.manifest import FileFact, ModelManifest
from ray_pipeline.runtime.jobs.train_fit import FitResult
from ray_pipeline.runtime.training_sets import TrainingSet


def page_bytes(manifest: ModelManifest, training_set: TrainingSet, fitted: FitResult) -> bytes:
    """Return the page as HTML; it names the version's other files."""
    from ray_pipeline.drift.baseline import Baseline
    from ray_pipeline.report.model_page import model_page

    facts = {name: FileFact(hashlib.sha256(data).hexdigest(), len(data)) for name, data in fitted.files.items()}
    page = model_page(
        replace(manifest, files=facts),
        Baseline.from_files(fitted.files, place=manifest.name),
        training_set.manifest,
        notices=fitted.notices,
    )
    return page.encode("utf-8")
