"""`gmm warm-up`: pays once, at installation, what the first use would pay."""

from __future__ import annotations

from gmm_engine.warm_up import warm_up
from service.rendering import TrainingAnimation


def run() -> None:
    """Compile what is compiled on first use, and make the fonts known."""
    warm_up()
    TrainingAnimation()
