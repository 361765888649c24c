"""May this service be reached from there without keys?"""

from __future__ import annotations

import socket

import structlog

from service.api.foreign_pages import is_loopback
from service.bootstrap import Wiring
from service.listening import url_of
from service.settings import SettingsError

log = structlog.get_logger(__name__)


def is_open(wiring: Wiring, listener: socket.socket, insecure: bool) -> bool:
    """Whether clients need no key as long as there never was one.

    Raises SettingsError where others than this machine's users could come in like that,
    unless the operator said so in so many words.
    """
    if wiring.settings.require_keys:
        return False
    if is_loopback(listener.getsockname()[0]):
        return True
    if wiring.api_keys.are_required():
        return False
    if not insecure:
        raise SettingsError(
            f"GMM_HOST is {wiring.settings.host!r}: others can reach that, and there "
            "is no API key yet. Make one with `gmm keys create --scopes admin`, or set "
            "GMM_REQUIRE_KEYS=true to start without one, or say --insecure to let "
            "everybody in."
        )
    log.warning("keys are off: everybody who gets here is let in", url=url_of(listener))
    return True
