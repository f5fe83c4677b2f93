"""Which release an edge box runs after an upgrade, a way back, and an upgrade that failed."""

import subprocess
from pathlib import Path

import pytest

INSTALL = (Path(__file__).parents[3] / "deploy" / "edge" / "install.sh").read_text(encoding="utf-8")
# What needs root, systemd or an archive; a release whose name says so does not start.
BOX = """
id() { echo 0; }
systemctl() { :; }
"""
RELEASES = """
unpack() { release=$root/releases/$(basename "$1"); mkdir -p "$release/deploy/edge"; : >"$release/deploy/edge/$unit"; }
make_user() { :; }
prepare_box() { :; }
answers() { case "$(readlink "$root/current")" in *broken*) return 1 ;; esac; }
"""
RUN = 'case "$action" in'


@pytest.fixture
def box(tmp_path: Path) -> Path:
    for folder in ("opt", "etc/futago/bundle", "etc/systemd/system"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "etc/futago/twin.env").write_text(f"MODEL_PATH={tmp_path}/etc/futago/bundle\n", encoding="utf-8")
    (tmp_path / "etc/futago/bundle/manifest.json").touch()
    return tmp_path


def do(box: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    own, run, actions = INSTALL.rpartition(RUN)
    script = BOX + own + RELEASES + run + actions
    for folder in ("/opt/", "/etc/", "/var/"):
        script = script.replace(folder, f"{box}{folder}")
    return subprocess.run(["sh", "-c", script, "install.sh", *arguments], capture_output=True, text=True, check=False)


def install(box: Path, release: str) -> int:
    (box / release).touch()
    return do(box, "install", "twin", str(box / release)).returncode


def pointers(box: Path) -> tuple[str | None, ...]:
    links = [box / "opt/futago" / name for name in ("current", "previous")]
    return tuple(link.readlink().name if link.is_symlink() else None for link in links)


def test_the_way_back_of_an_upgrade_is_to_the_release_before_it(box: Path):
    assert [install(box, "one"), install(box, "two")] == [0, 0]
    assert pointers(box) == ("two", "one")
    assert do(box, "rollback", "twin").returncode == 0
    assert pointers(box) == ("one", "two")


def test_a_release_that_does_not_answer_is_left_and_is_nothing_to_go_back_to(box: Path):
    assert [install(box, "one"), install(box, "broken")] == [0, 1]
    assert pointers(box) == ("one", None)
    assert "there is no release before this one" in do(box, "rollback", "twin").stderr
    assert [install(box, "two"), install(box, "broken")] == [0, 1]
    assert pointers(box) == ("two", "one")


def test_a_box_runs_one_of_the_two(box: Path):
    assert install(box, "one") == 0
    (box / "suite").touch()
    refused = do(box, "install", "suite", str(box / "suite"))
    assert (refused.returncode, pointers(box)) == (73, ("one", None))
    assert "futago-twin.service is installed here" in refused.stderr
