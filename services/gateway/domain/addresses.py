"""Whose address a request comes from."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network
UNKNOWN = "unknown"
# A header with more hops than this was not written by our proxies.
_MAX_HOPS = 20


def client_address(peer: str | None, forwarded_for: Iterable[bytes], trusted: Sequence[Network]) -> str:
    """The nearest address that is not one of our own proxies.

    What a client writes into `X-Forwarded-For` stands to the left of what a proxy appends: it is read from the right,
    and only as far as trusted proxies wrote it. Without trusted proxies it is not read at all.

    Parameters
    ----------
    peer
        Address of the other end of the connection.
    forwarded_for
        Values of the `X-Forwarded-For` headers, in order.
    """
    if peer is None:
        return UNKNOWN
    if not trusted or not _is_trusted(peer, trusted):
        return peer
    hops = b",".join(forwarded_for).decode("latin-1").split(",")[-_MAX_HOPS:]
    nearest = peer
    for hop in reversed([hop.strip() for hop in hops]):
        address = _parse(hop)
        if address is None:
            break
        nearest = str(address)
        if not _is_trusted(nearest, trusted):
            break
    return nearest


def _is_trusted(text: str, trusted: Sequence[Network]) -> bool:
    address = _parse(text)
    return address is not None and any(address.version == network.version and address in network for network in trusted)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
