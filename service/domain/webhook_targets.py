"""Where a webhook may go: how its URL is written, and which addresses are public.

A URL is taken apart here and nowhere else: what is checked is what is used, so no
second reading of it can find another host. Whatever is not plainly a name, a port and
a path is refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv6Address,
    IPv6Network,
    ip_address,
)

IPAddress = IPv4Address | IPv6Address

MAX_URL_LENGTH = 2048

_DEFAULT_PORTS = {"https": 443, "http": 80}
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_URL = re.compile(
    r"(?P<scheme>[a-z]+)://"
    rf"(?:(?P<name>{_LABEL}(?:\.{_LABEL})*)|\[(?P<ipv6>[0-9A-Fa-f:.]+)\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>[/?][A-Za-z0-9._~!$&'()*+,;=:@%/?\[\]-]*)?",
    re.ASCII,
)
_NUMERIC_LABEL = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*", re.ASCII)
_LONGEST_NAME = 253

# Everything that is, or may become, the public internet; the rest of IPv6 is not.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
# An IPv4 address in the last 32 bits, for a translator (RFC 6052).
_NAT64 = IPv6Network("64:ff9b::/96")
# Reserved after older lists in the standard library were made.
_DOCUMENTATION = IPv6Network("3fff::/20")
_RELAYS = (IPv4Address("192.88.99.0"), IPv4Address("192.88.99.255"))


class RefusedTargetError(ValueError):
    """A webhook must not go there; the message follows the name of the field."""


@dataclass(frozen=True, slots=True)
class TargetRules:
    """What an operator allows."""

    ports: Collection[int] = (443,)
    allow_http: bool = False
    allow_private: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart."""

    scheme: str
    host: str
    """A name, or an address without brackets."""
    port: int
    path: str
    """With the query: what the request line holds."""

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        is_default = self.port == _DEFAULT_PORTS[self.scheme]
        return host if is_default else f"{host}:{self.port}"


def parse_target(url: str, rules: TargetRules) -> Target:
    """Take a URL apart, or raise RefusedTargetError."""
    if len(url) > MAX_URL_LENGTH:
        raise RefusedTargetError(
            f"has {len(url)} characters; give at most {MAX_URL_LENGTH}."
        )
    schemes = ("https", "http") if rules.allow_http else ("https",)
    if not url.startswith(tuple(f"{scheme}://" for scheme in schemes)):
        raise RefusedTargetError(f"must begin with {' or '.join(schemes)}://.")
    if "#" in url:
        raise RefusedTargetError("has a fragment; leave out the # and what follows.")
    if "@" in re.split(r"[/?]", url.partition("://")[2], maxsplit=1)[0]:
        raise RefusedTargetError("has a user name or password; leave it out.")
    match = _URL.fullmatch(url)
    if match is None:
        raise RefusedTargetError(
            "is not a URL of ASCII characters with a host; write other characters "
            "as %XX, and in names as xn--…"
        )
    scheme, path = match["scheme"], match["path"] or "/"
    target = Target(
        scheme,
        _host(match["name"], match["ipv6"]),
        int(match["port"] or _DEFAULT_PORTS[scheme]),
        path if path.startswith("/") else f"/{path}",
    )
    _check(target, rules)
    return target


def is_public(address: IPAddress) -> bool:
    """Whether an address, and each that is written into it, is of the internet."""
    if isinstance(address, IPv4Address):
        return (
            address.is_global
            and not address.is_multicast
            and not address.is_reserved
            and not _RELAYS[0] <= address <= _RELAYS[1]
        )
    embedded = _embedded(address)
    if embedded is not None:
        return is_public(embedded)
    return (
        address in _GLOBAL_UNICAST
        and address.is_global
        and address not in _DOCUMENTATION
    )


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that packets to this one end at."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour


def _host(name: str | None, ipv6: str | None) -> str:
    if name is None:
        try:
            return str(IPv6Address(ipv6 or ""))
        except ValueError:
            raise RefusedTargetError("has no valid address in the brackets.") from None
    if len(name) > _LONGEST_NAME:
        raise RefusedTargetError(f"has a name of over {_LONGEST_NAME} characters.")
    # What inet_aton reads as an address: 2130706433, 0x7f.1, 0177.0.0.1.
    if _NUMERIC_LABEL.fullmatch(name.rpartition(".")[2]):
        try:
            return str(IPv4Address(name))
        except ValueError:
            raise RefusedTargetError(
                "has a number for a host; write an address as four decimal numbers."
            ) from None
    return name.lower()


def _check(target: Target, rules: TargetRules) -> None:
    if target.port not in rules.ports:
        allowed = ", ".join(map(str, sorted(rules.ports)))
        raise RefusedTargetError(f"has port {target.port}; allowed here: {allowed}.")
    try:
        address = ip_address(target.host)
    except ValueError:
        return
    if not rules.allow_private and not is_public(address):
        raise RefusedTargetError("has an address that is not public.")
