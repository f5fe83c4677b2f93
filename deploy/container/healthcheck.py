"""Exits 0 where the process of this container answers; standard library only, as there is no curl in the image."""

import http.client
import os
import ssl
import sys

port = int(os.environ["PORT"])
try:
    connection: http.client.HTTPConnection
    if os.environ.get("GATEWAY_TLS_CERT_FILE") and os.environ["SERVICE"] == "services.gateway.app":
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
