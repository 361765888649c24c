"""`python -m service.api.export`: print the contract, openapi.yaml."""

from __future__ import annotations

import sys
from typing import NoReturn

from service.api.app import create_app
from service.api.openapi import spec_yaml


class _NoReadiness:
    def check(self) -> None:
        """The contract does not depend on a store."""


def _no_services() -> NoReturn:
    raise AssertionError("writing the contract asks for nothing")


def contract() -> str:
    """Return the contract with the default bounds."""
    return spec_yaml(create_app(_no_services, _NoReadiness()))


if __name__ == "__main__":
    # As bytes: the same file whatever the terminal's encoding.
    sys.stdout.buffer.write(contract().encode())
