"""Ports: whether the public one is free, and free ones for everybody else."""

import errno
import os
import socket
from contextlib import ExitStack
from ipaddress import ip_address

from futago.launcher.errors import PortTaken, PortUnusable

LOOPBACK = "127.0.0.1"
SUGGESTIONS_TRIED = 20


def require_free(host: str, port: int) -> None:
    """Make sure that a server could listen there now.

    Raises
    ------
    PortTaken
        If another program listens there.
    PortUnusable
        If the address is not one of this machine, or the port needs privileges this user lacks.
    """
    problem = _problem(host, port)
    if problem is None:
        return
    if problem == errno.EADDRINUSE:
        nearby = range(port + 1, min(port + 1 + SUGGESTIONS_TRIED, 65536))
        raise PortTaken(host, port, next((other for other in nearby if _problem(host, other) is None), None))
    raise PortUnusable(host, port, os.strerror(problem).lower())


def gateway_url(host: str, port: int, *, tls: bool = False) -> str:
    """Where a user of this machine finds a server that listens on this address."""
    reachable = reachable_host(host)
    if tls and reachable == LOOPBACK:
        # The name that people know a certificate of their own machine by.
        reachable = "localhost"
    scheme = "https" if tls else "http"
    return f"{scheme}://[{reachable}]:{port}" if ":" in reachable else f"{scheme}://{reachable}:{port}"


def reachable_host(host: str) -> str:
    """Under which name a server that listens on this address is found from its own machine."""
    return LOOPBACK if _listens_everywhere(host) else host


def free_ports(count: int) -> tuple[int, ...]:
    """Different ports on the loopback address that nobody listens on now."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        # All are held until the last is known: one by one, the kernel could hand out the same port twice.
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return tuple(each.getsockname()[1] for each in sockets)


def _listens_everywhere(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


def _problem(host: str, port: int) -> int | None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # Without it a port stays "taken" for a minute after a server has left, with it only while one listens.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except socket.gaierror:
            return errno.EADDRNOTAVAIL
        except OSError as error:
            return error.errno or errno.EINVAL
    return None
