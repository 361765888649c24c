"""Pictures as they were when somebody last looked at them.

After an intended change: `python -m tests.unit.service.rendering.baselines`, look at
the files in tests/baseline, and commit them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from service.rendering import TrainingAnimation
from tests.unit.service.rendering.scenes import Scene, blobs

FOLDER = Path(__file__).parents[3] / "baseline"
SIZE = {"width": 480, "height": 360}


def named(scene, *columns):
    return Scene(scene.trajectory, scene.rows, columns)


SCENES = {
    "plane": lambda: named(blobs(seed=1), "length", "width"),
    "plane_dense": lambda: blobs(seed=1, n_samples=2_000, n_components=5),
    "plane_shaded": lambda: blobs(seed=4, n_samples=30_000),
    "plane_numbered": lambda: blobs(seed=2, n_components=14),
    "projection": lambda: blobs(seed=3, n_features=4),
    "line": lambda: named(blobs(seed=5, n_features=1), "velocity"),
}
SHOWN_FRAME = 2
"""Neither the start nor the end, so that trails and progress are seen."""


def path_of(name):
    return FOLDER / f"{name}.png"


def drawn(name):
    """The frame as an RGB array."""
    scene = SCENES[name]()
    renderer = TrainingAnimation(**SIZE)
    pictures = list(renderer.pictures(scene.trajectory, scene.rows, scene.columns))
    return pictures[SHOWN_FRAME][..., :3]


def stored(name):
    with Image.open(path_of(name)) as image:
        return np.asarray(image.convert("RGB"))


def main():
    FOLDER.mkdir(exist_ok=True)
    for name in SCENES:
        image = Image.fromarray(np.ascontiguousarray(drawn(name)))
        image.quantize(255).save(path_of(name), optimize=True)


if __name__ == "__main__":
    main()
