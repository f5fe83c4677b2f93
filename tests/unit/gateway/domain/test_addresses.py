"""Whose address a request comes from."""

from ipaddress import ip_network

import pytest

from services.gateway.domain.addresses import client_address, is_within, parse_network

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
        ("::ffff:10.0.0.1", [b"1.1.1.1"], TRUSTED, "1.1.1.1"),
        ("10.0.0.1", [b"::ffff:1.1.1.1"], TRUSTED, "1.1.1.1"),
        (None, [b"1.1.1.1"], TRUSTED, "unknown"),
        ("testclient", [b"1.1.1.1"], TRUSTED, "testclient"),
    ],
)
def test_only_what_trusted_proxies_wrote_is_believed(
    peer: str | None, forwarded_for: list[bytes], trusted: tuple, address: str
):
    assert client_address(peer, forwarded_for, trusted) == address


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.20.0.0/16", "10.20.0.0/16"),
        ("10.20.30.40/16", "10.20.0.0/16"),
        ("10.20.30.40", "10.20.30.40/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("2001:DB8:0::1", "2001:db8::1/128"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:10.0.0.1", "10.0.0.1/32"),
        ("::/0", "::/0"),
    ],
)
def test_a_network_has_one_way_to_be_written(text: str, network: str):
    assert str(parse_network(text)) == network


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "plant", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/255.0.0.0", "10.0.0.0/0.255.255.255",
        "10.0.0.0/8/8", "10.0.0", "10", "010.0.0.1", "10.0.0.0/٨", "fe80::1%eth0", "10.0.0.0-10.0.0.9", "10.0.0.0/8\n",
    ],
)  # fmt: skip
def test_what_is_no_network_is_refused(text: str):
    with pytest.raises(ValueError, match="write a network as"):
        parse_network(text)


@pytest.mark.parametrize(
    ("address", "within"),
    [
        ("10.0.0.0", True),
        ("10.255.255.255", True),
        ("11.0.0.0", False),
        ("9.255.255.255", False),
        ("::ffff:10.1.2.3", True),
        ("::ffff:11.1.2.3", False),
        ("::10.1.2.3", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("unknown", False),
        ("", False),
    ],
)
def test_an_address_lies_in_a_network_however_its_socket_writes_it(address: str, *, within: bool):
    assert is_within(address, (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))) is within


def test_no_address_lies_in_no_network():
    assert not is_within("10.0.0.1", ())
