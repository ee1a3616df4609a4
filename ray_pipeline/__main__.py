"""``python -m ray_pipeline`` is ``ray-pipeline``: for clusters where only the interpreter is known."""

from __future__ import annotations

from ray_pipeline.cli.main import main

if __name__ == "__main__":
    main()
