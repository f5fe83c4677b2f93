"""Whose address a request comes from, and in which networks it lies."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
UNKNOWN = "unknown"
# A header with more hops than this was not written by our proxies.
_MAX_HOPS = 20
# Bits of `::ffff:0:0/96`, under which IPv6 writes IPv4 addresses (RFC 4291, section 2.5.5.2).
_MAPPED_BITS = 96


def parse_network(text: str) -> Network:
    """Read a network by its prefix length, or a single address; bits after the prefix do not matter.

    Raises
    ------
    ValueError
        If it is neither.

    Examples
    --------
    >>> parse_network("10.20.30.40/16"), parse_network("::ffff:10.0.0.0/104")
    (IPv4Network('10.20.0.0/16'), IPv4Network('10.0.0.0/8'))
    """
    _, slash, prefix = text.partition("/")
    # A mask in place of the length would be read: with `/0.0.0.255`, as the contrary of what some firewalls mean. An
    # interface (`%eth0`) would be read and forgotten.
    if "%" in text or (slash and not (prefix.isascii() and prefix.isdigit())):
        raise ValueError("write a network as 10.20.0.0/16 or 2001:db8::/32")
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError("write a network as 10.20.0.0/16 or 2001:db8::/32") from None
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if mapped is not None and network.prefixlen >= _MAPPED_BITS:
        return IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))
    return network


def is_within(address: str, networks: Sequence[Network]) -> bool:
    """Whether an address lies in one of the networks; what is no address lies in none."""
    parsed = _parse(address)
    return parsed is not None and any(parsed.version == network.version and parsed in network for network in networks)


def lie_within(inner: Sequence[Network], outer: Sequence[Network]) -> bool:
    """Whether all addresses of some networks lie in others; no network stands for all addresses.

    Examples
    --------
    >>> lie_within([parse_network("10.20.4.0/24")], [parse_network("10.20.0.0/16")])
    True
    >>> lie_within([], [parse_network("10.20.0.0/16")])
    False
    """
    if not outer:
        return True
    return bool(inner) and all(any(_lies_in(network, whole) for whole in outer) for network in inner)


def _lies_in(network: Network, whole: Network) -> bool:
    # Networks of the two families cannot be compared.
    if isinstance(network, IPv4Network):
        return isinstance(whole, IPv4Network) and network.subnet_of(whole)
    return isinstance(whole, IPv6Network) and network.subnet_of(whole)


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
    if not trusted or not is_within(peer, trusted):
        return peer
    hops = b",".join(forwarded_for).decode("latin-1").split(",")[-_MAX_HOPS:]
    nearest = peer
    for hop in reversed([hop.strip() for hop in hops]):
        address = _parse(hop)
        if address is None:
            break
        nearest = str(address)
        if not is_within(nearest, trusted):
            break
    return nearest


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # A socket that takes both families writes an IPv4 peer as an IPv6 address.
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
