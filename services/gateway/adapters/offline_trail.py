"""Verifying an audit trail without a running gateway: in its database, or in what was exported of it."""

from collections.abc import Iterable, Iterator, Mapping

from sqlalchemy import Engine

from services.gateway.adapters.audit_seal_keys import SealKeys, read_seal_key
from services.gateway.adapters.sql_audit_book import SqlAuditBook
from services.gateway.domain.audit import Action, Entry, Head
from services.gateway.domain.audit_lines import entry_of_line
from services.gateway.domain.audit_seals import Trust, seal_in
from services.gateway.domain.audit_verification import ChainReader, Progress, Verification

_JSON_BEGINS = b"{"


class OfflineTrail:
    """Verifies with public keys alone.

    Parameters
    ----------
    public_pems
        The keys that signed checkpoints and cuts (PEM, P-256).

    Raises
    ------
    ValueError
        If one of them is something else.
    """

    def __init__(self, public_pems: Iterable[bytes]) -> None:
        self._judge = SealKeys([read_seal_key(pem) for pem in public_pems])

    def checkpoints(self, lines: Iterable[bytes]) -> dict[int, str]:
        """Digests by sequence that the checkpoints among exported lines vouch for; other lines are passed over.

        Raises
        ------
        PayloadInvalid
            If a line is no entry of an audit trail.
        """
        seals = (seal_in(entry.event) for entry in _entries(lines) if entry.event.action == Action.CHECKPOINT.value)
        return {
            seal.head.sequence: seal.head.digest
            for seal in seals
            if seal is not None and self._judge.judge(seal) is Trust.GENUINE
        }

    def verify_database(self, engine: Engine, known: Mapping[int, str]) -> Verification:
        """Read the whole chain in a database, and compare it with what is known."""
        return SqlAuditBook(engine, self._judge).verify_now(known).found

    def verify_lines(self, lines: Iterable[bytes], known: Mapping[int, str]) -> Verification:
        """Read exported lines: they follow each other, from the first that there is.

        Lines that came twice, as exports may bring them, count once.

        Raises
        ------
        PayloadInvalid
            If a line is no entry of an audit trail.
        """
        entries = _entries(lines)
        first = next(entries, None)
        if first is None:
            return Verification(intact=True, entries=0)
        progress = Progress(Head(first.sequence, first.digest), entries=1)
        reader = ChainReader(self._judge, known=known, progress=progress)
        for entry in entries:
            if entry.sequence > reader.progress.head.sequence and not reader.read([entry]):
                break
        return reader.so_far()


def _entries(lines: Iterable[bytes]) -> Iterator[Entry]:
    for line in lines:
        # Of a syslog file, what stands before the entry is the message's head.
        begins = line.find(_JSON_BEGINS)
        if begins >= 0:
            yield entry_of_line(line[begins:])
