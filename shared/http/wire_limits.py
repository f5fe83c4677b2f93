"""How much, how many and how slow a connection may be before it is closed."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

Networks = tuple[IPv4Network | IPv6Network, ...]


@dataclass(frozen=True, slots=True)
class WireLimits:
    """What one listener takes from its clients (ASVS 5.0.0, V4.2 and V13.1).

    Parameters
    ----------
    head_timeout_s
        From the first byte of a request, or from the connection, to the end of the request's head [s].
    keep_alive_s
        Longest time without a request between two [s].
    stall_timeout_s
        What a body that comes in, and an answer that goes out, may take besides their time at the slowest rate [s].
    slowest_bytes_per_s
        Rate below which a client is given up once `stall_timeout_s` is used [B/s].
    linger_s
        How long the rest of a body is still taken, and thrown away, once its request has been answered: a client
        that is cut off while it sends does not get to see the answer [s].
    connections, connections_per_address
        Open at one time, in all and from one address; of IPv6, from one /64.
    addresses_of_many
        Networks whose addresses each stand for many clients, such as a proxy's: they are not counted one by one.
    headers, head_bytes, url_bytes
        Most header fields of a request, and the longest sum of their names and values, and target [B].
    pipelined
        Requests that may wait behind the one that is being answered on the same connection.
    """

    head_timeout_s: float = 10.0
    keep_alive_s: float = 75.0
    stall_timeout_s: float = 20.0
    slowest_bytes_per_s: float = 500.0
    linger_s: float = 5.0
    connections: int = 4000
    connections_per_address: int = 4000
    addresses_of_many: Networks = ()
    headers: int = 100
    head_bytes: int = 32 * 1024
    url_bytes: int = 8 * 1024
    pipelined: int = 16
