"""Refused bodies are read to their end, within bounds."""

from __future__ import annotations

from flask import Flask, Response, request

from service.api.bodies import drain
from service.api.options import ApiOptions


def register_drains(app: Flask, options: ApiOptions) -> None:
    """Let a client that still sends get to read why it was refused."""

    @app.after_request
    def drain_refused(response: Response) -> Response:
        if response.status_code >= 400:
            drain(request, options)
        return response
