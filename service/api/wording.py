"""Values of requests as messages show them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

# Names that other programs have for the same, too far from ours to be guessed.
_MEANT = {
    "n_cluster": "n_components",
    "n_clusters": "n_components",
    "k": "n_components",
    "K": "n_components",
    "seed": "random_state",
    "max_iterations": "max_iter",
    "tolerance": "tol",
}
_WEIGHTS = ("sample_weight", "sample_weights")


def shown(value: object) -> str:
    """Return the value as a message shows it: short, as in JSON."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def unknown_name(kind: str, name: str, known: Sequence[str]) -> str:
    """Say that there is no such name, and which may have been meant."""
    meant = [_MEANT[name]] if _MEANT.get(name) in known else []
    close = meant or difflib.get_close_matches(name[:60], known, n=1)
    if close:
        hint = f"did you mean {close[0]!r}?"
    elif name in _WEIGHTS:
        hint = "weights of rows are not supported over HTTP."
    elif known:
        hint = f"known here: {', '.join(known)}."
    else:
        hint = "none is known here."
    return f"There is no {kind} {shown(name)}; {hint}"
