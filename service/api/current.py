"""What Flask keeps of the request that is being answered, without its stand-ins.

Each look at an attribute of `flask.request` or `flask.g` finds the object behind them
anew, which takes longer than most of what is looked at. What runs in every request
finds it once.
"""

from __future__ import annotations

from flask import Request, g, request
from flask.ctx import _AppCtxGlobals


def current_request() -> Request:
    """Return the object behind `flask.request`."""
    found: Request = request._get_current_object()  # type: ignore[attr-defined]
    return found


def current_globals() -> _AppCtxGlobals:
    """Return the object behind `flask.g`."""
    # To a type checker every attribute is there.
    found: _AppCtxGlobals = g._get_current_object()
    return found
