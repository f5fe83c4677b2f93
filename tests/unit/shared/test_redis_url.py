"""The address of Redis: what is understood, what is refused, and what each client is told."""

import asyncio

import pytest
from redis.asyncio.connection import SSLConnection as AsyncSSLConnection
from redis.connection import Connection, SSLConnection

from shared.redis_client import async_client, async_waiting_client, blocking_client, waiting_client
from shared.redis_url import is_redis_url, sentinel_address

THREE = "redis+sentinel://app:p%40ss@one:26379,two:26380,three/plant-1/2"


def test_sentinels_are_read_with_their_ports_and_the_name_of_the_master():
    address = sentinel_address(THREE)
    assert address is not None
    assert address.sentinels == (("one", 26379), ("two", 26380), ("three", 26379))
    assert address.master == "plant-1"
    assert address.server_url == "redis://app:p%40ss@one:26379/2"
    assert address.credentials == {}


def test_the_password_of_the_sentinels_is_apart_from_that_of_the_servers():
    address = sentinel_address("rediss+sentinel://:a@[::1]:5,b/m?sentinel_password=s%20b&ssl_ca_certs=/ca.pem")
    assert address is not None
    assert address.sentinels == (("::1", 5), ("b", 26379))
    assert address.credentials == {"password": "s b"}
    assert address.server_url == "rediss://:a@[::1]:5/0?ssl_ca_certs=%2Fca.pem"


def test_an_address_does_not_show_its_passwords():
    shown = repr(sentinel_address(THREE + "?sentinel_password=hunter2"))
    assert "hunter2" not in shown
    assert "p%40ss" not in shown


@pytest.mark.parametrize("url", ["redis://h", "rediss://:p@h:6380/1", "unix:///run/redis.sock"])
def test_a_server_is_no_sentinel(url: str):
    assert is_redis_url(url)
    assert sentinel_address(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://h",
        "redis://h:0",
        "redis://:a#b@h:6379/0",
        "redis+sentinel://h:26379",
        "redis+sentinel://h:26379/",
        "redis+sentinel://h:26379/0/mymaster",
        "redis+sentinel://h:26379/my master/0",
        "redis+sentinel://h:26379/mymaster/0#x",
        "redis+sentinel://:pa/ss@h:26379/mymaster/0",
        "redis+sentinel://:pa:ss@h:0/mymaster",
        "redis+sentinel://h:99999/mymaster",
        "redis+sentinel://one,,two/mymaster",
        "redis+sentinel:///mymaster",
    ],
)
def test_what_is_no_address_of_redis_is_refused(url: str):
    assert not is_redis_url(url)


def test_every_client_of_sentinels_knows_password_database_and_timeouts():
    blocking, waiting = blocking_client(THREE, timeout_s=0.5), waiting_client(THREE, wait_s=2, timeout_s=1)
    for client, answer_s in ((blocking, 0.5), (waiting, 3)):
        pool = client.connection_pool
        told = pool.connection_kwargs
        assert (told["username"], told["password"], told["db"], told["socket_timeout"]) == ("app", "p@ss", 2, answer_s)
        asked = [each.connection_pool.connection_kwargs for each in pool.sentinel_manager.sentinels]
        assert [(one["host"], one["port"]) for one in asked] == [("one", 26379), ("two", 26380), ("three", 26379)]
        # The sentinels have no password here, and whoever waits inside a server does not wait as long for them.
        assert all(one["password"] is None and one["socket_timeout"] <= 1 for one in asked)
        assert all(each.connection_pool.connection_class is Connection for each in pool.sentinel_manager.sentinels)


def test_tls_holds_for_servers_and_sentinels():
    url = "rediss+sentinel://:p@one/m/0?ssl_ca_certs=/ca.pem&sentinel_password=s"
    for client, of_server in ((blocking_client(url), SSLConnection), (async_waiting_client(url, wait_s=1), None)):
        pool = client.connection_pool
        (sentinel,) = pool.sentinel_manager.sentinels
        if of_server is not None:
            assert issubclass(pool.connection_class, of_server)
            assert sentinel.connection_pool.connection_class is of_server
        else:
            assert issubclass(pool.connection_class, AsyncSSLConnection)
            assert sentinel.connection_pool.connection_class is AsyncSSLConnection
        assert pool.connection_kwargs["ssl_ca_certs"] == "/ca.pem"
        asked = sentinel.connection_pool.connection_kwargs
        assert (asked["ssl_ca_certs"], asked["password"]) == ("/ca.pem", "s")


def test_clients_of_one_server_are_made_as_before():
    client = async_client("redis://:p@h:1/3")
    assert client.connection_pool.connection_kwargs["db"] == 3
    asyncio.run(client.aclose())
