from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from service.storage.reads import QuickReads

SIZES = [0, 1, 5000, 64 * 1024, 1_000_000]


@pytest.mark.parametrize("size", SIZES)
def test_a_value_is_read_whole(store_clients, size):
    value = (b"$3\r\nabc\r\n" * size)[:size]
    store_clients.ordinary.set("key", value)
    for _ in range(2):
        assert store_clients.reads.get("key") == value


def test_no_value_is_none(store_clients):
    assert store_clients.reads.get("nothing") is None


def test_a_read_that_is_refused_is_refused_as_by_the_client(store_clients):
    store_clients.ordinary.sadd("set", "member")
    for _ in range(2):
        with pytest.raises(ResponseError, match="WRONGTYPE"):
            store_clients.reads.get("set")
    store_clients.ordinary.set("key", b"value")
    assert store_clients.reads.get("key") == b"value"


def test_what_is_written_elsewhere_is_read_at_once(store_clients):
    for number in range(50):
        store_clients.ordinary.set("key", number)
        assert store_clients.reads.get("key") == b"%d" % number
    store_clients.ordinary.delete("key")
    assert store_clients.reads.get("key") is None


def test_many_threads_each_get_their_own_value(store_clients):
    names = [f"key{number}" for number in range(40)]
    for name in names:
        store_clients.ordinary.set(name, name * 500)
    wrong = []

    def read(name):
        for _ in range(50):
            if store_clients.reads.get(name) != (name * 500).encode():
                wrong.append(name)

    readers = [threading.Thread(target=read, args=[name]) for name in names]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert wrong == []
    # Those that were too many to be kept are in the pool again.
    assert store_clients.ordinary.ping()


def test_a_pool_without_connections_is_waited_for_once(store_clients):
    client = store_clients.ordinary
    waits = []

    class Exhausted:
        def get_connection(self):
            waits.append(1)
            raise RedisConnectionError("No connection available.")

    pool: Any = SimpleNamespace(connection_pool=Exhausted(), get=client.get)
    reads = QuickReads(pool)
    with pytest.raises(RedisConnectionError):
        reads.get("key")
    assert len(waits) == 1


def test_a_connection_is_not_used_again_after_what_came_between(store_clients):
    """A signal's exception after the question: the answer is still to come."""
    client = store_clients.ordinary
    client.set("one", b"1")
    client.set("two", b"2")
    reads = QuickReads(client)
    assert reads.get("one") == b"1"
    (connection,) = reads._kept
    read_response = connection.read_response

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    connection.read_response = interrupted
    with pytest.raises(KeyboardInterrupt):
        reads.get("one")
    connection.read_response = read_response
    # That the pool would notice is luck: the answer may not be there yet.
    assert not connection.is_connected
    assert reads.get("two") == b"2"
