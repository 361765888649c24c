import pytest
from redis import SSLConnection, UnixDomainSocketConnection
from redis.connection import Connection

from service.storage.connection import StoreClients


@pytest.mark.parametrize(
    ("url", "connection_class"),
    [
        ("redis://example.org:6380/2", Connection),
        ("rediss://user:secret@example.org", SSLConnection),
        ("unix:///run/store.sock?db=1", UnixDomainSocketConnection),
    ],
)
def test_addresses_of_each_kind_are_understood(url, connection_class):
    clients = StoreClients(url)
    for client in (clients.ordinary, clients.blocking):
        assert client.connection_pool.connection_class is connection_class


def test_a_client_is_made_once_and_again_after_closing(store_clients):
    first = store_clients.ordinary
    assert store_clients.ordinary is first
    assert first.ping()
    store_clients.close()
    assert store_clients.ordinary is not first
    assert store_clients.ordinary.ping()


def test_blocking_reads_do_not_use_up_the_ordinary_connections(store_clients):
    assert (
        store_clients.blocking.connection_pool
        is not store_clients.ordinary.connection_pool
    )


def test_closing_makes_no_client():
    StoreClients("not even an address").close()
