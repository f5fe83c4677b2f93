"""Words and passwords that a guesser tries first: the frequency lists that `zxcvbn` carries.

About 94 000 entries from leaked passwords, films, Wikipedia and names. They are loaded in a thread when a password is
first set, as that takes a moment and some tens of megabytes: most processes never need them, and no login does.
"""

import threading

from anyio import to_thread

from services.gateway.domain.passwords import plain


class CommonPasswords:
    """Implements `passwords.WordLists`."""

    def __init__(self) -> None:
        self._words: frozenset[str] = frozenset()
        self._loading = threading.Lock()

    async def words(self) -> frozenset[str]:
        return self._words or await to_thread.run_sync(self._load)

    def _load(self) -> frozenset[str]:
        with self._loading:
            if not self._words:
                from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415 (large, and few processes need it)

                self._words = frozenset(plain(word) for words in FREQUENCY_LISTS.values() for word in words)
        return self._words
