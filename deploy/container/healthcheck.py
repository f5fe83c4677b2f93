"""Exits 0 where the process of this container answers; standard library only, as there is no curl in the image."""

import http.client
import os
import ssl
import sys

_, service, module = os.environ["SERVICE"].split(".")
prefix = service.upper()
# As entrypoint.sh: the image's own port is for a process that was told no other.
port = int(os.environ.get(f"{prefix}_PORT") or os.environ["PORT"])
try:
    connection: http.client.HTTPConnection
    # A worker shows its metrics over plain HTTP, whatever its service speaks.
    if os.environ.get(f"{prefix}_TLS_CERT_FILE") and module != "worker":
        # The certificate is made out to the name that clients use; this connection never leaves the container.
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=2, context=context)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    connection.request("GET", "/healthz")
    sys.exit(connection.getresponse().status != http.client.OK)
except OSError:
    sys.exit(1)
