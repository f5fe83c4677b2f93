"""All open connections of a process: how many there are, from where, and which of them have taken too long.

One look at all of them every second stands in for a timer for each request: setting and cancelling a timer costs more
than answering from memory.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Protocol

from shared.http.wire_limits import WireLimits

# Of all that wait, the share that makes room at once where no more fit: looking for one costs as much as for many.
_SHARE_THAT_MAKES_ROOM = 20
_IPV6_NETWORK_BITS = 64


class Connection(Protocol):
    """What the register has to know of a connection."""

    address: str
    """Whom it counts for; empty for one that is not counted by address."""

    def waits_since_s(self) -> float | None:
        """Since when it has had no request to answer [s]; `None` while it has one."""
        ...

    def check(self, now_s: float, passed_s: float) -> None:
        """Close it if its client has taken too long; `passed_s` is the time since the last look [s]."""
        ...

    def make_room(self) -> None:
        """Close it, as others want to come in."""
        ...


class Connections:
    """The open connections.

    Parameters
    ----------
    clock_s
        Monotonic time [s].
    """

    def __init__(self, limits: WireLimits, clock_s: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self.now_s = clock_s()
        """Time of the last look: good enough for deadlines of seconds, and read for nothing."""
        self._clock_s = clock_s
        self._open: set[Connection] = set()
        self._by_address: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    def counted_as(self, host: str | None) -> str:
        """Whom connections from this address count for; nobody for a proxy's.

        Examples
        --------
        >>> Connections(WireLimits()).counted_as("2001:db8:1:2:3:4:5:6")
        '2001:db8:1:2::/64'
        """
        try:
            address = ip_address(host or "")
        except ValueError:
            return ""
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            # How a socket that takes both families writes an IPv4 address.
            address = address.ipv4_mapped
        if any(address in network for network in self.limits.addresses_of_many):
            return ""
        if isinstance(address, IPv6Address):
            # One household or one attacker has a /64 (RFC 6177), and as many addresses in it as it likes.
            return str(ip_network((address, _IPV6_NETWORK_BITS), strict=False))
        return str(address)

    def admit(self, connection: Connection) -> bool:
        """Take a new connection in; where no more fit, those that have waited longest for a request make room."""
        address = connection.address
        if address and self._by_address[address] >= self.limits.connections_per_address:
            self._make_room(each for each in self._open if each.address == address)
            if self._by_address[address] >= self.limits.connections_per_address:
                return False
        if len(self._open) >= self.limits.connections:
            self._make_room(self._open)
            if len(self._open) >= self.limits.connections:
                return False
        self._open.add(connection)
        self._by_address[address] += 1
        return True

    def release(self, connection: Connection) -> None:
        """Forget a connection that has ended; once more does no harm."""
        if connection not in self._open:
            return
        self._open.remove(connection)
        self._by_address[connection.address] -= 1
        if not self._by_address[connection.address]:
            del self._by_address[connection.address]

    def sweep(self) -> None:
        """Look at every connection, and close those that have taken too long."""
        before_s, self.now_s = self.now_s, self._clock_s()
        for connection in tuple(self._open):
            connection.check(self.now_s, self.now_s - before_s)

    def _make_room(self, candidates: Iterable[Connection]) -> None:
        waiting = [(since_s, each) for each in candidates if (since_s := each.waits_since_s()) is not None]
        waiting.sort(key=lambda pair: pair[0])
        for _, connection in waiting[: 1 + len(waiting) // _SHARE_THAT_MAKES_ROOM]:
            connection.make_room()
            self.release(connection)
