from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.webhook_targets import (
    RefusedTargetError,
    Target,
    TargetRules,
    is_public,
    parse_target,
)

RULES = TargetRules()
LENIENT = TargetRules(ports=range(65536), allow_http=True, allow_private=True)

PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "2606:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2002:808:808::1",
]
NOT_PUBLIC = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "127.0.0.1", "127.255.255.254"),
    *("100.64.0.1", "100.127.255.255", "169.254.169.254", "172.16.0.1", "172.31.9.9"),
    *("192.168.1.1", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.7"),
    *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::7f00:1", "::808:808", "fe80::1", "fe80::1%1", "fec0::1"),
    *("fc00::1", "fd12:3456::1", "ff02::1", "ff0e::1", "100::1", "5f00::1"),
    *("2001:db8::1", "3fff::1", "2001:0:808:808::1", "64:ff9b:1::808:808"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"),
    *("64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe"),
    *("2002:7f00:1::", "2002:a00:1::1", "2002:c0a8:101::", "2002:e000:1::"),
]


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_public(address):
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_any_other_address_is_not_public_however_it_is_wrapped(address):
    assert not is_public(ip_address(address))


@given(st.ip_addresses(v=4))
def test_an_embedded_address_is_as_public_as_the_plain_one(address):
    number = int(address)
    mapped = ip_address((0xFFFF << 32) | number)
    translated = ip_address((0x64FF9B << 96) | number)
    relayed = ip_address((0x2002 << 112) | (number << 80) | 1)
    for wrapped in (mapped, translated, relayed):
        assert is_public(wrapped) == is_public(address)


@pytest.mark.parametrize(
    ("url", "target", "authority"),
    [
        (
            "https://Example.com",
            Target("https", "example.com", 443, "/"),
            "example.com",
        ),
        (
            "https://a-b.example:443/x/y?z=%20#".rstrip("#"),
            Target("https", "a-b.example", 443, "/x/y?z=%20"),
            "a-b.example",
        ),
        (
            "https://example.com?a=b@c:1",
            Target("https", "example.com", 443, "/?a=b@c:1"),
            "example.com",
        ),
        (
            "http://example.com:8080/",
            Target("http", "example.com", 8080, "/"),
            "example.com:8080",
        ),
        ("http://h/", Target("http", "h", 80, "/"), "h"),
        ("https://8.8.8.8/", Target("https", "8.8.8.8", 443, "/"), "8.8.8.8"),
        (
            "https://[2606:4700:0::1111]:444/",
            Target("https", "2606:4700::1111", 444, "/"),
            "[2606:4700::1111]:444",
        ),
    ],
)
def test_a_plain_url_is_taken_apart(url, target, authority):
    assert parse_target(url, LENIENT) == target
    assert target.authority == authority


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "must begin with https://"),
        ("http://example.com/", "must begin with https://"),
        ("HTTPS://example.com/", "must begin with https://"),
        ("ftp://example.com/", "must begin with https://"),
        ("file:///etc/passwd", "must begin with https://"),
        ("gopher://example.com/", "must begin with https://"),
        ("//example.com/", "must begin with https://"),
        (" https://example.com/", "must begin with https://"),
        ("https://user:password@example.com/", "user name"),
        ("https://example.com@127.0.0.1/", "user name"),
        ("https://example.com:443@127.0.0.1/", "user name"),
        ("https://@example.com/", "user name"),
        ("https://example.com/#there", "fragment"),
        ("https://127.0.0.1#@example.com/", "fragment"),
        ("https://127.0.0.1\\@example.com/", "user name"),
        ("https://127.0.0.1\\.example.com/", "not a URL"),
        ("https://", "not a URL"),
        ("https:///path", "not a URL"),
        ("https://exa mple.com/", "not a URL"),
        ("https://example.com/\r\nHost: other", "not a URL"),
        ("https://example.com/\n", "not a URL"),
        ("https://example.com\t/", "not a URL"),
        ("https://example.com/\x00", "not a URL"),
        ("https://bücher.example/", "not a URL"),
        ("https://①②⑦.0.0.1/", "not a URL"),
        ("https://127。0。0。1/", "not a URL"),
        ("https://example.com./", "not a URL"),
        ("https://-a.example/", "not a URL"),
        ("https://a..example/", "not a URL"),
        (f"https://{'a' * 64}.example/", "not a URL"),
        (f"https://{'a.' * 130}example/", "name of over"),
        (f"https://example.com/{'a' * 2048}", "characters"),
        ("https://%31%32%37.0.0.1/", "not a URL"),
        ("https://[::1/", "not a URL"),
        ("https://[v1.x]/", "not a URL"),
        ("https://[fe80::1%25eth0]/", "not a URL"),
        ("https://[:::]/", "no valid address"),
        ("https://[127.0.0.1]/", "no valid address"),
        ("https://example.com:80/", "port 80"),
        ("https://example.com:22/", "port 22"),
        ("https://example.com:65979/", "port 65979"),
        ("https://example.com:/", "not a URL"),
        ("https://2130706433/", "number for a host"),
        ("https://0x7f000001/", "number for a host"),
        ("https://0x7f.0.0.0x1/", "number for a host"),
        ("https://017700000001/", "number for a host"),
        ("https://0177.0.0.1/", "number for a host"),
        ("https://127.1/", "number for a host"),
        ("https://127.0.0.01/", "number for a host"),
        ("https://1.2.3.4.5/", "number for a host"),
        ("https://0/", "number for a host"),
        ("https://127.0.0.1/", "not public"),
        ("https://169.254.169.254/latest/meta-data", "not public"),
        ("https://[::1]/", "not public"),
        ("https://[::ffff:127.0.0.1]/", "not public"),
        ("https://[::ffff:7f00:1]/", "not public"),
        ("https://[64:ff9b::7f00:1]/", "not public"),
        ("https://[2002:7f00:1::]/", "not public"),
    ],
)
def test_a_url_that_is_not_plain_is_refused(url, reason):
    with pytest.raises(RefusedTargetError, match=reason):
        parse_target(url, RULES)


@given(st.text(max_size=60), st.sampled_from(["https://", "https://a", "http://[", ""]))
def test_any_text_is_a_target_or_refused(text, start):
    try:
        target = parse_target(start + text, LENIENT)
    except RefusedTargetError:
        return
    assert target.path.isascii()
    assert target.path.isprintable()
    assert " " not in target.path
