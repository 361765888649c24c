"""Names that stand for addresses which a webhook must not reach."""

import pytest

from service.domain.webhook_targets import TargetRules
from tests.receiver import status
from tests.unit.service.domain.test_webhook_targets import NOT_PUBLIC
from tests.unit.service.webhooks.conftest import MESSAGE, SHORT, Names, a_sender

PUBLIC = "8.8.8.8"


@pytest.fixture
def guarded(receiver, monkeypatch):
    """Makes a sender that may go to public addresses only, and notes where it goes."""
    reached = []

    class NoSocket:
        """No test may knock at an address of the internet."""

        def __init__(self, family, kind):
            pass

        def settimeout(self, seconds):
            pass

        def connect(self, address):
            reached.append(address)
            raise ConnectionRefusedError

        def close(self):
            pass

    monkeypatch.setattr("service.webhooks.connection.socket.socket", NoSocket)

    def send(names, host="hooks.example"):
        rules = TargetRules((receiver.port,), allow_http=True)
        sender = a_sender(receiver, rules=rules, resolve=names, limits=SHORT)
        return sender.send(f"http://{host}:{receiver.port}/", MESSAGE).error

    send.reached, send.port = reached, receiver.port
    return send


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_a_name_of_an_address_that_is_not_public_is_refused(guarded, address):
    assert guarded(Names([address])) == (
        "The URL has a host whose address is not public."
    )
    assert not guarded.reached


@pytest.mark.parametrize(
    "addresses", [[PUBLIC, "127.0.0.1"], ["::1", PUBLIC], [PUBLIC, "::ffff:10.0.0.1"]]
)
def test_one_address_that_is_not_public_refuses_the_name(guarded, addresses):
    assert "not public" in guarded(Names(addresses))
    assert not guarded.reached


def test_a_name_that_changes_its_mind_is_looked_up_once(guarded):
    """DNS rebinding: public for the check, private for the connection."""
    names = Names([PUBLIC], ["127.0.0.1"])
    assert guarded(names) == "The connection was refused."
    assert names.asked == ["hooks.example"]
    assert guarded.reached == [(PUBLIC, guarded.port)]


def test_each_attempt_looks_the_name_up_and_checks_it_anew(guarded):
    names = Names([PUBLIC], ["127.0.0.1"])
    assert guarded(names) == "The connection was refused."
    assert "not public" in guarded(names)
    assert guarded.reached == [(PUBLIC, guarded.port)]


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:7f00:1]"])
def test_an_address_in_the_url_is_checked_as_well(guarded, host):
    names = Names([PUBLIC])
    assert guarded(names, host) == "The URL has an address that is not public."
    assert not names.asked
    assert not guarded.reached


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1"])
def test_a_number_is_no_host(guarded, host):
    names = Names(["127.0.0.1"])
    assert "number for a host" in guarded(names, host)
    assert not names.asked


@pytest.mark.parametrize("host", ["localhost", "localhost.localdomain", "ip6-loopback"])
def test_the_real_resolver_finds_no_way_to_this_machine(receiver, host):
    rules = TargetRules((receiver.port,), allow_http=True)
    attempt = a_sender(receiver, rules=rules).send(
        f"http://{host}:{receiver.port}/", MESSAGE
    )
    assert attempt.error in (
        "The URL has a host whose address is not public.",
        "The host's name is not known.",
    )
    assert not receiver.received


def test_a_redirect_to_an_address_that_is_not_public_leads_nowhere(receiver):
    receiver.script = [status(307, Location="http://169.254.169.254/latest/meta-data")]
    attempt = a_sender(receiver).send(receiver.url, MESSAGE)
    assert attempt.status == 307
    assert "redirects are not followed" in attempt.error
