"""Rotating a signing key, a step at a time."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from futago.key_rotation import (
    KeyPairFiles,
    KeysUnusable,
    NothingPrepared,
    RotationRuns,
    change,
    prepare,
    rotate,
    standing,
)
from shared.token_keys import PublicKey, new_private_key, read_private_key, write_public_keys

NOW = datetime(2026, 4, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Clock:
    def __init__(self) -> None:
        self.moment = NOW

    def now(self) -> datetime:
        return self.moment

    def monotonic_s(self) -> float:
        return self.moment.timestamp()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def files(tmp_path: Path) -> KeyPairFiles:
    private, public = tmp_path / "access.pem", tmp_path / "access.pub.pem"
    pem = new_private_key()
    private.touch(0o640)
    private.write_bytes(pem)
    public.write_bytes(write_public_keys([PublicKey(read_private_key(pem).public_key())]))
    return KeyPairFiles(private, public)


def ids(files: KeyPairFiles, now: datetime = NOW) -> list[str]:
    return [key.key_id for key in standing(files, now).public]


def test_everybody_knows_the_new_key_before_it_signs(files: KeyPairFiles, clock: Clock):
    old = standing(files, NOW).signing.key_id
    seen: list[tuple[float, str, list[str]]] = []

    def look(seconds: float) -> None:
        seen.append((seconds, standing(files, NOW).signing.key_id, ids(files)))

    new = rotate(files, settle=MINUTE, life=10 * MINUTE, clock=clock, sleep=look)
    assert seen == [(60.0, old, [old, new])]
    after = standing(files, NOW)
    assert (after.signing.key_id, after.following) == (new, None)
    assert [(key.key_id, key.until) for key in after.public] == [(new, None), (old, NOW + 11 * MINUTE)]


def test_an_old_key_leaves_once_its_time_is_over(files: KeyPairFiles, clock: Clock):
    first = rotate(files, settle=MINUTE, life=10 * MINUTE, clock=clock, sleep=lambda _: None)
    clock.moment += 5 * MINUTE
    second = rotate(files, settle=MINUTE, life=10 * MINUTE, clock=clock, sleep=lambda _: None)
    assert len(ids(files, clock.moment)) == 3
    clock.moment += 7 * MINUTE
    third = rotate(files, settle=MINUTE, life=10 * MINUTE, clock=clock, sleep=lambda _: None)
    assert ids(files, clock.moment) == [third, second, first]


def test_after_a_theft_the_old_keys_are_gone_at_once(files: KeyPairFiles, clock: Clock):
    rotate(files, settle=MINUTE, life=10 * MINUTE, clock=clock, sleep=lambda _: None)
    prepare(files, clock)
    new = change(files, old_counts_for=timedelta(0), clock=clock)
    assert ids(files) == [new]


def test_a_rotation_that_was_interrupted_goes_on_with_the_same_key(files: KeyPairFiles, clock: Clock):
    prepared = prepare(files, clock)
    assert prepare(files, clock) == prepared
    assert len(ids(files)) == 2
    assert rotate(files, settle=MINUTE, life=MINUTE, clock=clock, sleep=lambda _: None) == prepared


def test_a_change_that_was_cut_short_leaves_no_old_key_that_counts_for_ever(
    files: KeyPairFiles, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    old = standing(files, NOW).signing.key_id
    new = prepare(files, clock)
    whole = Path.replace

    def cut(self: Path, target: Path) -> Path:
        if target in {files.private, files.public}:
            done.append(target)
            if len(done) > 1:
                raise KeyboardInterrupt
        return whole(self, target)

    done: list[Path] = []
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", cut)
        with pytest.raises(KeyboardInterrupt):
            change(files, old_counts_for=MINUTE, clock=clock)
    assert rotate(files, settle=timedelta(0), life=MINUTE, clock=clock, sleep=lambda _: None) == new
    clock.moment += 2 * MINUTE
    assert old not in ids(files, clock.moment)


def test_nothing_is_changed_to_that_nobody_was_told_of(files: KeyPairFiles, clock: Clock):
    with pytest.raises(NothingPrepared):
        change(files, old_counts_for=MINUTE, clock=clock)
    before = files.public.read_bytes()
    prepare(files, clock)
    files.public.write_bytes(before)
    with pytest.raises(NothingPrepared):
        change(files, old_counts_for=MINUTE, clock=clock)


def test_who_could_read_the_key_can_read_the_new_one_and_nobody_else(files: KeyPairFiles, clock: Clock):
    files.public.chmod(0o604)
    prepare(files, clock)
    assert stat.S_IMODE(files.following.stat().st_mode) == 0o640
    change(files, old_counts_for=MINUTE, clock=clock)
    assert stat.S_IMODE(files.private.stat().st_mode) == 0o640
    assert stat.S_IMODE(files.public.stat().st_mode) == 0o604


def test_one_rotation_at_a_time(files: KeyPairFiles, clock: Clock):
    def another(_: float) -> None:
        with pytest.raises(RotationRuns):
            prepare(files, clock)

    rotate(files, settle=MINUTE, life=MINUTE, clock=clock, sleep=another)


@pytest.mark.parametrize("spoilt", ["private", "public"])
@pytest.mark.parametrize("how", ["gone", "broken"])
def test_a_file_of_no_use_is_named_and_nothing_changes(files: KeyPairFiles, clock: Clock, spoilt: str, how: str):
    path: Path = getattr(files, spoilt)
    path.unlink() if how == "gone" else path.write_text("no key")
    other = files.public if spoilt == "private" else files.private
    before = other.read_bytes()
    with pytest.raises(KeysUnusable, match=path.name):
        rotate(files, settle=MINUTE, life=MINUTE, clock=clock, sleep=lambda _: None)
    assert other.read_bytes() == before
