"""Whose address a request comes from."""

from ipaddress import ip_network

import pytest

from services.gateway.domain.addresses import client_address

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "trusted", "address"),
    [
        ("192.0.2.1", [b"1.1.1.1"], (), "192.0.2.1"),
        ("192.0.2.1", [b"1.1.1.1"], TRUSTED, "192.0.2.1"),
        ("10.0.0.1", [b"1.1.1.1"], TRUSTED, "1.1.1.1"),
        ("10.0.0.1", [b"6.6.6.6, 1.1.1.1"], TRUSTED, "1.1.1.1"),
        ("10.0.0.1", [b"6.6.6.6", b"1.1.1.1, 10.0.0.2"], TRUSTED, "1.1.1.1"),
        ("10.0.0.1", [b"1.1.1.1, nonsense, 10.0.0.2"], TRUSTED, "10.0.0.2"),
        ("10.0.0.1", [b"\xff\xfe"], TRUSTED, "10.0.0.1"),
        ("10.0.0.1", [], TRUSTED, "10.0.0.1"),
        ("fd00::1", [b"2001:db8::7"], TRUSTED, "2001:db8::7"),
        ("10.0.0.1", [b",".join([b"10.0.0.9"] * 500)], TRUSTED, "10.0.0.9"),
        (None, [b"1.1.1.1"], TRUSTED, "unknown"),
        ("testclient", [b"1.1.1.1"], TRUSTED, "testclient"),
    ],
)
def test_only_what_trusted_proxies_wrote_is_believed(
    peer: str | None, forwarded_for: list[bytes], trusted: tuple, address: str
):
    assert client_address(peer, forwarded_for, trusted) == address
