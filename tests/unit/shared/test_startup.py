from pathlib import Path

import pytest

from shared.startup import CannotStart, readable_file, run_checks, secret_file, writable_folder


def test_all_reasons_are_given_at_once(tmp_path: Path):
    (tmp_path / "blocked").write_text("a file where a folder should be")
    with pytest.raises(CannotStart) as caught:
        run_checks(
            [
                readable_file(tmp_path / "absent.pem", "identity key"),
                writable_folder(tmp_path / "blocked", "store"),
                writable_folder(tmp_path / "new" / "folder", "cache"),
            ]
        )
    first, second = caught.value.reasons
    assert first.startswith("identity key:")
    assert second.startswith("store:")


@pytest.mark.parametrize(("mode", "accepted"), [(0o600, True), (0o640, True), (0o644, False), (0o602, False)])
def test_a_secret_open_to_every_user_is_refused(tmp_path: Path, mode: int, *, accepted: bool):
    path = tmp_path / "key.pem"
    path.write_text("secret")
    path.chmod(mode)
    assert (secret_file(path, "signing key")() is None) is accepted
