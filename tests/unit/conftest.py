"""Unit tests reach no network: a test that opens a socket fails."""

import pytest
import pytest_socket


@pytest.fixture(autouse=True)
def _no_sockets() -> None:
    # The event loop wakes itself through a unix socket pair.
    pytest_socket.disable_socket(allow_unix_socket=True)
