"""The API with two views more, to compare with: one does nothing, one only copies.

Run as `python -m benchmarks.http.server PORT STORE_URL [--bare]`; `--bare` serves a
Flask app that has nothing but these two.
"""

from __future__ import annotations

import sys

from flask import Flask, Response, request

from service.bootstrap import Wiring
from service.listening import listen
from service.logs import configure_logging
from service.settings import Settings
from service.wsgi import ApiServer, make_app

_PIECE_BYTES = 1 << 20


def empty() -> Response:
    """Answer with what a prediction of one row looks like."""
    return Response(b'{"labels":[0]}', mimetype="application/json")


def copy(n_bytes: int) -> Response:
    """Take a body, and answer with so many bytes."""
    pieces = []
    while piece := request.stream.read(_PIECE_BYTES):
        pieces.append(piece)
    b"".join(pieces)
    return Response(bytes(n_bytes), mimetype="application/octet-stream")


def main() -> None:
    port, url, *options = sys.argv[1:]
    settings = Settings(rate_limit=0)
    configure_logging(settings.log_format, settings.log_level)
    wiring = Wiring(settings, url)
    app = Flask("bare") if options else make_app(wiring, is_open=True)
    app.add_url_rule("/empty", view_func=empty, methods=["POST"])
    app.add_url_rule("/copy/<int:n_bytes>", view_func=copy, methods=["POST"])
    ApiServer(wiring, listen("127.0.0.1", int(port)), app).run()


if __name__ == "__main__":
    main()
