"""The socket that the API listens on, made before the API is there."""

from __future__ import annotations

import errno
import socket

_BACKLOG = 2048
"""Connections that wait while the API starts, or starts again."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; an OSError says in a sentence why there is none."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise OSError(_reason(error, host, port)) from error


def url_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _reason(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} of {host} is in use; stop what listens there, or set "
            "GMM_PORT to another one."
        )
    if error.errno == errno.EACCES:
        return f"Port {port} needs privileges; set GMM_PORT to one above 1023."
    reason = error.strerror or str(error)
    return f"GMM_HOST is {host!r}, which cannot be listened on: {reason}."
