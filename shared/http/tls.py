"""TLS of a listener: which versions and ciphers, and a certificate that may be renewed while it is in use.

References
----------
.. [1] RFC 9325 (BCP 195): recommendations for secure use of TLS, sections 3.1 and 4.2
.. [2] ASVS 5.0.0, V12.1: TLS 1.2 and 1.3 only, with forward secrecy
"""

import os
import ssl
from pathlib import Path

from cryptography import x509

from shared.log import get_logger
from shared.startup import Check

log = get_logger(__name__)
# Of TLS 1.2; those of 1.3 are all good (RFC 9325, 4.2).
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"


class ServerCertificate:
    """A certificate with its key, as a listener uses it.

    Raises
    ------
    OSError
        If a file cannot be read, or holds no certificate, or no key that fits it.

    Attributes
    ----------
    ends_s
        When the first certificate of the chain ends that is in use [s since 1970]; `None` where OpenSSL serves a chain
        that cannot be read here.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate, self._key = certificate, key
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_ciphers(_CIPHERS)
        self.context.set_alpn_protocols(["http/1.1"])
        self.context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        self._loaded = self._stamp()
        _load(self.context, certificate, key)
        self.ends_s = self._end_s()

    def reload_if_changed(self) -> bool:
        """Use the files anew where they have changed; new connections then get the new certificate.

        Files that do not fit one another, as in the middle of a renewal, are left for the next time.
        """
        try:
            stamp = self._stamp()
            if stamp == self._loaded:
                return False
            # Tried on a context of its own first: a key that does not fit would leave this one unusable.
            _load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self._certificate, self._key)
            ends_s = self._end_s()
            _load(self.context, self._certificate, self._key)
        except OSError as error:
            log.warning("certificate_not_reloaded", file=str(self._certificate), reason=str(error))
            return False
        self._loaded, self.ends_s = stamp, ends_s
        log.info("certificate_reloaded", file=str(self._certificate))
        return True

    def _end_s(self) -> float | None:
        try:
            chain = x509.load_pem_x509_certificates(self._certificate.read_bytes())
        except (ValueError, x509.InvalidVersion) as error:
            # OpenSSL takes more than RFC 5280 allows: what it serves is served, only its end is not told.
            log.warning("certificate_end_unknown", file=str(self._certificate), reason=str(error))
            return None
        return min(each.not_valid_after_utc.timestamp() for each in chain)

    def _stamp(self) -> tuple[tuple[int, int], ...]:
        # With the inode, as a renewal may replace a file by one of the same second.
        return tuple((status.st_mtime_ns, status.st_ino) for status in map(os.stat, (self._certificate, self._key)))


def _load(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    # The empty password keeps OpenSSL from asking for one at the terminal.
    context.load_cert_chain(certificate, key, password="")


def usable_certificate(certificate: Path | None, key: Path | None) -> Check:
    """The two files are there and belong together, or neither is asked for."""

    def check() -> str | None:
        if certificate is None and key is None:
            return None
        if certificate is None or key is None:
            return "TLS needs both a certificate and its key: tls_cert_file and tls_key_file"
        try:
            _load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate, key)
        except OSError as error:
            return f"TLS: {certificate} with {key} is of no use ({error.strerror or error})"
        return None

    return check


def authority_file(path: Path | None, purpose: str) -> Check:
    """The file holds certificates of authorities, or none is asked for."""

    def check() -> str | None:
        try:
            client_context(path)
        except OSError as error:
            return f"{purpose}: {path} holds no certificate of an authority ({error.strerror or error})"
        return None

    return check


def client_context(ca_file: Path | None) -> ssl.SSLContext:
    """For a client: certificates are checked against this authority alone, or against the machine's own ones.

    Raises
    ------
    OSError
        If the file cannot be read or holds no certificate.
    """
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file is not None else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
