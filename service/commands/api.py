"""`gmm api`: the HTTP server."""

from __future__ import annotations

import socket

from service.bootstrap import Wiring
from service.commands.exposure import is_open
from service.commands.stores import store_url
from service.listening import listen
from service.settings import Settings
from service.wsgi import ApiServer, make_app


def run(settings: Settings, fd: int | None, insecure: bool) -> None:
    """Serve until told to stop, on a given listening socket or one of our own."""
    with store_url(settings) as url:
        wiring = Wiring(settings, url)
        wiring.check()
        if fd is None:
            listener = listen(settings.host, settings.port)
        else:
            listener = socket.socket(fileno=fd)
        app = make_app(wiring, is_open(wiring, listener, insecure), insecure)
        ApiServer(wiring, listener, app).run()
