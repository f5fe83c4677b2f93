"""Gives tokens a new signing key while the suite runs.

Three steps, in an order that leaves no moment in which a token is refused by somebody who does not know its key yet:
the new public key is published, everybody reads it, the signer changes; the old key counts until the last token that
was signed with it has ended. Every file is replaced whole, and a rotation that was interrupted goes on where it was.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

from shared.clock import Clock
from shared.errors import AppError, Kind
from shared.token_keys import PublicKey, new_private_key, read_private_key, read_public_keys, write_public_keys

_PUBLIC_MODE = 0o644


class KeysUnusable(AppError):
    """A key file cannot be read or written, or holds something else."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "keys.unusable"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} cannot be used: {reason}")


class NothingPrepared(AppError):
    """There is no new key to change to."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "keys.nothing_prepared"

    def __init__(self, path: Path) -> None:
        super().__init__(f"there is no new key beside {path}: prepare one first")


class RotationRuns(AppError):
    """Somebody else rotates these keys now."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "keys.rotation_runs"

    def __init__(self, path: Path) -> None:
        super().__init__(f"another rotation of {path} is going on")


@dataclass(frozen=True, slots=True)
class KeyPairFiles:
    """The private key that signs, and the file of public keys that everybody else reads."""

    private: Path
    public: Path

    @property
    def following(self) -> Path:
        """The private key that will sign next, once it is prepared."""
        return self.private.with_name(f"{self.private.name}.next")


@dataclass(frozen=True, slots=True)
class Standing:
    """The keys of a pair of files now; `following` only where a rotation was begun."""

    signing: PublicKey
    following: PublicKey | None
    public: tuple[PublicKey, ...]


def standing(files: KeyPairFiles, now: datetime) -> Standing:
    """Look at the keys.

    Raises
    ------
    KeysUnusable
        If a file cannot be read, or holds anything but P-256 keys.
    """
    following = _public_half(files.following) if files.following.exists() else None
    try:
        public = tuple(key for key in read_public_keys(files.public.read_bytes()) if key.counts_at(now))
    except (OSError, ValueError) as error:
        raise _unusable(files.public, error) from error
    return Standing(_public_half(files.private), following, public)


def rotate(
    files: KeyPairFiles, *, settle: timedelta, life: timedelta, clock: Clock, sleep: Callable[[float], None]
) -> str:
    """Prepare a new key, give everybody time to read it, and change to it.

    Parameters
    ----------
    settle
        Longest time until a replaced file has reached every process.
    life
        Longest life of a token; old keys count for as long.

    Returns
    -------
    The id of the new key.

    Raises
    ------
    KeysUnusable, RotationRuns
        If a file cannot be used, or somebody else is at it.
    """
    with _alone(files):
        _prepare(files, clock.now())
        sleep(settle.total_seconds())
        return _change(files, clock.now(), old_counts_for=settle + life)


def prepare(files: KeyPairFiles, clock: Clock) -> str:
    """Make a new key and publish its public half; errors and answer as for `rotate`."""
    with _alone(files):
        return _prepare(files, clock.now())


def change(files: KeyPairFiles, *, old_counts_for: timedelta, clock: Clock) -> str:
    """Sign with the prepared key from now on; errors and answer as for `rotate`.

    Raises
    ------
    NothingPrepared
        If there is none.
    """
    with _alone(files):
        if not files.following.exists():
            raise NothingPrepared(files.private)
        return _change(files, clock.now(), old_counts_for=old_counts_for)


def _prepare(files: KeyPairFiles, now: datetime) -> str:
    if not files.following.exists():
        _replace(files.following, new_private_key(), like=files.private)
    keys = standing(files, now)
    following = _public_half(files.following)
    # The signer's own key first, and without an end: a file that was edited by hand must not have retired it.
    others = [key for key in keys.public if key.key_id not in {keys.signing.key_id, following.key_id}]
    _publish(files, [keys.signing, following, *others])
    return following.key_id


def _change(files: KeyPairFiles, now: datetime, *, old_counts_for: timedelta) -> str:
    keys = standing(files, now)
    following = _public_half(files.following)
    if following.key_id not in {key.key_id for key in keys.public}:
        # Changed to now, its tokens would be refused by everybody.
        raise NothingPrepared(files.private)
    end = now + old_counts_for
    others = [key for key in keys.public if key.key_id not in {keys.signing.key_id, following.key_id}]
    # Also one that was retired before: nobody knows which of them a thief has. One that never was is somebody else's.
    retired = [replace(keys.signing, until=end), *(_ended_by(key, end) for key in others)]
    # Published first: if it ends between the two, the next rotation finds the prepared key and goes on, whereas a key
    # that signs no longer and was never retired would count for ever.
    _publish(files, [following, *(key for key in retired if key.counts_at(now))])
    files.following.replace(files.private)
    return following.key_id


def _ended_by(key: PublicKey, end: datetime) -> PublicKey:
    return key if key.until is None else replace(key, until=min(key.until, end))


def _publish(files: KeyPairFiles, keys: list[PublicKey]) -> None:
    _replace(files.public, write_public_keys(keys), like=files.public)


def _public_half(path: Path) -> PublicKey:
    try:
        return PublicKey(read_private_key(path.read_bytes()).public_key())
    except (OSError, ValueError) as error:
        raise _unusable(path, error) from error


def _replace(path: Path, content: bytes, *, like: Path) -> None:
    """Write a file whole or not at all, for the same people to read as `like`."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        model = like.stat() if like.exists() else None
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            if model is not None and (model.st_uid, model.st_gid) != (os.getuid(), os.getgid()):
                os.fchown(descriptor, model.st_uid, model.st_gid)
            os.fchmod(descriptor, _PUBLIC_MODE if model is None else model.st_mode & 0o777)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
    except OSError as error:
        raise _unusable(path, error) from error


@contextmanager
def _alone(files: KeyPairFiles) -> Iterator[None]:
    lock = files.private.with_name(f".{files.private.name}.lock")
    try:
        file = lock.open("a")
    except OSError as error:
        raise _unusable(files.private, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RotationRuns(files.private) from None
        yield


def _unusable(path: Path, error: Exception) -> KeysUnusable:
    return KeysUnusable(path, error.strerror if isinstance(error, OSError) and error.strerror else str(error))
