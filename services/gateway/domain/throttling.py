"""How attempts to log in are slowed, so that guessing is hopeless and nobody is locked out.

Each pair of user and address has a delay of its own, which grows with every attempt in a row. On top, attempts as one
user are counted over all addresses, but for those from which this user logged in of late: however many addresses an
attacker has, the user at the usual place never notices (OWASP ASVS 5, 6.3.1; NIST SP 800-63B-4, section 3.2.2).
"""

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from services.gateway.domain.rate_limit import Limit

# What one customer of a provider is given at least (RFC 6177): within it, addresses cost nothing.
_IPV6_PREFIX = 64


@dataclass(frozen=True, slots=True)
class GrowingDelay:
    """A wait that doubles with each attempt, up to a longest one.

    Parameters
    ----------
    free
        Attempts before there is any wait.
    first_s, longest_s
        The first wait and the longest [s].
    forget_s
        Without an attempt for so long, it begins anew [s].
    """

    free: int
    first_s: float
    longest_s: float
    forget_s: float

    def __post_init__(self) -> None:
        if self.free < 1 or not 0 < self.first_s <= self.longest_s <= self.forget_s:
            raise ValueError("a delay lets one attempt in at least, grows, and is forgotten after its longest wait")


@dataclass(frozen=True, slots=True)
class LoginLimits:
    """How many attempts are let in.

    Parameters
    ----------
    pair
        As one user from one address: what stops a guesser.
    user
        As one user from addresses unknown to the user, after the first attempt from each: what stops many guessers.
    newcomers
        As one user from unknown addresses, the first attempt from each in `pair.forget_s`. Counted apart, so that few
        guessers with many attempts do not keep out a user who comes from a new place.
    address
        From one address as anybody: what stops one guesser with a list of users.
    code
        Second factors after a right password: from an address known to the user, and from all others together.
    known_s
        How long an address stays known to a user after a login [s].
    """

    pair: GrowingDelay
    user: Limit
    newcomers: Limit
    address: Limit
    code: GrowingDelay
    known_s: float


def counted_address(address: str) -> str:
    """What an address is counted as: an IPv6 address as its /64, as whoever has one has all of it.

    Examples
    --------
    >>> counted_address("2001:db8::1234:5678"), counted_address("::ffff:192.0.2.1"), counted_address("192.0.2.1")
    ('2001:db8::/64', '192.0.2.1', '192.0.2.1')
    """
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ip_network((parsed, _IPV6_PREFIX), strict=False))
