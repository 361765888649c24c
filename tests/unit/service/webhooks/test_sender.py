"""One attempt against a real receiver: what is sent, and what each answer means."""

import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from service.domain.webhook_targets import TargetRules
from service.domain.webhooks import Attempt
from tests.receiver import status
from tests.unit.service.webhooks.conftest import MESSAGE, SHORT, Names, a_sender


@contextmanager
def answering(conversation):
    """A server of raw bytes: runs the conversation with its first client."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            client, _ = server.accept()
            with client:
                try:
                    conversation(client)
                except OSError:
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def drip(client, start=b"", drop=b"x"):
    """Send a byte now and then until nobody listens."""
    client.sendall(start)
    while True:
        client.sendall(drop)
        time.sleep(0.02)


@pytest.fixture
def sender(receiver):
    return a_sender(receiver)


def test_a_message_arrives_as_it_is(sender, receiver):
    assert sender.send(receiver.url, MESSAGE) == Attempt(204)
    (received,) = receiver.received
    assert received.path == "/hook?key=1"
    assert received.body == MESSAGE.body
    assert received.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert received.headers["content-type"] == "application/json"
    assert received.headers["user-agent"] == "gmm-service/0"
    assert received.headers["webhook-id"] == "msg_f1"


@pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
def test_any_2xx_is_success(sender, receiver, code):
    receiver.script = [status(code)]
    assert sender.send(receiver.url, MESSAGE) == Attempt(code)


@pytest.mark.parametrize("code", [304, 400, 401, 404, 410, 429, 500, 503, 600])
def test_any_other_status_is_failure(sender, receiver, code):
    receiver.script = [status(code)]
    attempt = sender.send(receiver.url, MESSAGE)
    assert attempt.status == code
    assert f"answered {code}" in attempt.error


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(sender, receiver, code):
    receiver.script = [status(code, Location=receiver.url)]
    attempt = sender.send(receiver.url, MESSAGE)
    assert (attempt.status, len(receiver.received)) == (code, 1)
    assert "redirects are not followed" in attempt.error


@pytest.mark.parametrize(
    ("value", "asked"),
    [
        ("7", timedelta(seconds=7)),
        ("999999", timedelta(days=1)),
        ("9" * 400, None),
        ("-1", None),
        ("Fri, 31 Dec 1999 23:59:59 GMT", None),
    ],
)
def test_a_receiver_may_ask_for_time(sender, receiver, value, asked):
    receiver.script = [status(503, Retry_After=value)]
    assert sender.send(receiver.url, MESSAGE).retry_after == asked


def test_proxies_of_the_environment_are_not_used(sender, receiver, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert sender.send(receiver.url, MESSAGE).error is None


def test_an_endless_answer_is_not_read(sender, receiver):
    def flood(handler):
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(bytes(1 << 20))

    receiver.script = [flood]
    assert sender.send(receiver.url, MESSAGE) == Attempt(200)


@pytest.mark.parametrize(
    "start",
    [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nX-A: "],
    ids=["before the status", "in the headers", "in a header"],
)
def test_an_answer_of_a_byte_at_a_time_is_cut_off(receiver, start):
    def slowly(client):
        client.recv(65536)
        drip(client, start)

    with answering(slowly) as port:
        rules = TargetRules((port,), allow_http=True, allow_private=True)
        sender = a_sender(receiver, rules=rules, limits=SHORT)
        began = time.monotonic()
        attempt = sender.send(f"http://127.0.0.1:{port}/", MESSAGE)
        assert time.monotonic() - began < 2
    assert attempt == Attempt(None, "There was no answer within 0.4 seconds.")


def test_endless_interim_answers_are_cut_off(receiver):
    with answering(lambda client: drip(client, drop=b"HTTP/1.1 100 \r\n\r\n")) as port:
        rules = TargetRules((port,), allow_http=True, allow_private=True)
        sender = a_sender(receiver, rules=rules, limits=SHORT)
        attempt = sender.send(f"http://127.0.0.1:{port}/", MESSAGE)
    assert attempt.error == "There was no answer within 0.4 seconds."


@pytest.mark.parametrize("drop", [b"\x16", b""], ids=["a byte at a time", "silence"])
def test_a_handshake_without_end_is_cut_off(receiver, drop):
    def slowly(client):
        client.sendall(b"\x16\x03\x03\x3f\xff")
        drip(client, drop=drop) if drop else client.recv(65536) and client.recv(1)

    with answering(slowly) as port:
        rules = TargetRules((port,), allow_private=True)
        sender = a_sender(receiver, rules=rules, limits=SHORT)
        attempt = sender.send(f"https://127.0.0.1:{port}/", MESSAGE)
    assert attempt.error == "There was no answer within 0.4 seconds."


def test_a_resolver_without_end_is_not_waited_for(receiver, monkeypatch):
    ended = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: ended.wait(20) and [])
    sender = a_sender(receiver, limits=SHORT)
    attempt = sender.send(f"http://slow.example:{receiver.port}/", MESSAGE)
    ended.set()
    assert attempt.error == "There was no answer within 0.4 seconds."


def test_many_headers_are_not_read_for_ever(receiver):
    def chatter(client):
        client.recv(65536)
        drip(client, b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 100)

    with answering(chatter) as port:
        rules = TargetRules((port,), allow_http=True, allow_private=True)
        attempt = a_sender(receiver, rules=rules).send(
            f"http://127.0.0.1:{port}/", MESSAGE
        )
    assert attempt.error == "The answer was not HTTP."


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"220 mail.example ESMTP\r\n", "The answer was not HTTP."),
        (b"", "The connection failed."),
        (b"HTTP/1.1 2xx OK\r\n\r\n", "The answer was not HTTP."),
    ],
)
def test_what_is_no_answer_is_failure(receiver, answer, error):
    def serve(client):
        client.recv(65536)
        client.sendall(answer)

    with answering(serve) as port:
        rules = TargetRules((port,), allow_http=True, allow_private=True)
        attempt = a_sender(receiver, rules=rules).send(
            f"http://127.0.0.1:{port}/", MESSAGE
        )
    assert attempt == Attempt(None, error)


def test_nobody_there_is_failure(receiver):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    sender = a_sender(
        receiver, rules=TargetRules((port,), allow_http=True, allow_private=True)
    )
    attempt = sender.send(f"http://127.0.0.1:{port}/", MESSAGE)
    assert attempt == Attempt(None, "The connection was refused.")


def test_an_unknown_name_is_failure(receiver):
    def unknown(*_):
        raise socket.gaierror(socket.EAI_NONAME, "secret resolver detail")

    attempt = a_sender(receiver, resolve=unknown).send(
        f"http://nowhere.example:{receiver.port}/", MESSAGE
    )
    assert attempt == Attempt(None, "The host's name is not known.")


def test_the_next_address_of_a_name_is_tried(receiver):
    # Nobody listens at the first: the whole of 127/8 is this machine.
    names = Names(["127.0.0.2", "127.0.0.1"])
    url = f"http://hooks.example:{receiver.port}/"
    assert a_sender(receiver, resolve=names).send(url, MESSAGE).error is None
    assert receiver.received[0].headers["host"] == f"hooks.example:{receiver.port}"


def test_the_certificate_must_be_for_the_name(secure_receiver, trusting):
    sender = a_sender(secure_receiver, context=trusting, resolve=Names(["127.0.0.1"]))
    url = f"https://hooks.example:{secure_receiver.port}/"
    assert sender.send(url, MESSAGE) == Attempt(204)

    other = f"https://other.example:{secure_receiver.port}/"
    assert "certificate is not accepted" in sender.send(other, MESSAGE).error
    assert (
        "certificate is not accepted" in sender.send(secure_receiver.url, MESSAGE).error
    )
    assert len(secure_receiver.received) == 1


def test_a_certificate_of_nobody_known_is_refused(secure_receiver):
    sender = a_sender(secure_receiver, resolve=Names(["127.0.0.1"]))
    url = f"https://hooks.example:{secure_receiver.port}/"
    assert "certificate is not accepted" in sender.send(url, MESSAGE).error
    assert not secure_receiver.received


def test_a_receiver_without_tls_gets_nothing(sender, receiver):
    url = receiver.url.replace("http:", "https:")
    assert sender.send(url, MESSAGE).error == "There was no TLS connection."
    assert not receiver.received


def test_the_rules_of_today_apply_to_urls_of_yesterday(sender, receiver):
    strict = replace(sender, rules=TargetRules())
    assert "must begin with https://" in strict.send(receiver.url, MESSAGE).error
    assert not receiver.received


def test_the_keys_are_not_in_its_representation(sender):
    assert "keys" not in repr(sender)
