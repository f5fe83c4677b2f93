"""Which release an edge box runs after an upgrade, a way back, and an upgrade that failed."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

INSTALL = (Path(__file__).parents[3] / "deploy" / "edge" / "install.sh").read_text(encoding="utf-8")
# What needs root, systemd or an archive; a release whose name says so does not start, nor does any on an ill box.
BOX = """
id() { echo 0; }
systemctl() { :; }
install() { if [ "$1" = -d ]; then for folder; do :; done; mkdir -p "$folder"; else command install "$@"; fi; }
"""
RELEASES = """
unpack() {
  release=$root/releases/$(basename "$1")
  mkdir -p "$release/deploy/edge"
  touch "$release/deploy/edge/$unit" "$release/.complete"
}
make_user() { :; }
prepare_box() { :; }
answers() { case "$(readlink "$root/current")" in *broken*) return 1 ;; esac; [ ! -e /var/ill ]; }
as_futago() {
  [ -d "${1%/.venv/*}" ] || return 127
  case "$2" in
    backup) cp /var/lib/futago/home/futago.db "$3" ;;
    restore) cp "$3" /var/lib/futago/home/futago.db ;;
  esac
}
"""
RUN = 'case "$action" in'


@pytest.fixture
def box(tmp_path: Path) -> Path:
    for folder in ("opt", "etc/futago/bundle", "etc/systemd/system", "var/lib/futago/home"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "etc/futago/twin.env").write_text(f"MODEL_PATH={tmp_path}/etc/futago/bundle\n", encoding="utf-8")
    (tmp_path / "etc/futago/bundle/manifest.json").touch()
    return tmp_path


def do(box: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    own, run, actions = INSTALL.rpartition(RUN)
    script = BOX + own + RELEASES + run + actions
    # A folder of the box: its own path may hold such a name too.
    script = re.sub(r"(?<=[\s\"=])(?=/(?:opt|etc|var)/)", str(box), script)
    return subprocess.run(["sh", "-c", script, "install.sh", *arguments], capture_output=True, text=True, check=False)


def install(box: Path, release: str, kind: str = "twin") -> int:
    (box / release).touch()
    return do(box, "install", kind, str(box / release)).returncode


def pointers(box: Path) -> tuple[str | None, ...]:
    links = [box / "opt/futago" / name for name in ("current", "previous")]
    return tuple(link.readlink().name if link.is_symlink() else None for link in links)


def test_the_way_back_of_an_upgrade_is_to_the_release_before_it(box: Path):
    assert [install(box, "one"), install(box, "two")] == [0, 0]
    assert pointers(box) == ("two", "one")
    assert do(box, "rollback", "twin").returncode == 0
    assert pointers(box) == ("one", None)
    assert install(box, "two") == 0
    assert pointers(box) == ("two", "one")


def test_a_release_that_does_not_answer_is_left_and_is_nothing_to_go_back_to(box: Path):
    assert [install(box, "one"), install(box, "broken")] == [0, 1]
    assert pointers(box) == ("one", None)
    assert "there is no release before this one" in do(box, "rollback", "twin").stderr
    assert [install(box, "two"), install(box, "broken")] == [0, 1]
    assert pointers(box) == ("two", "one")


def test_a_release_that_was_here_already_is_not_left_for_an_older_one(box: Path):
    assert [install(box, "one"), install(box, "two")] == [0, 0]
    (box / "var/ill").touch()
    assert install(box, "two") == 1
    assert pointers(box) == ("two", "one")


def test_a_release_that_was_deleted_is_not_gone_back_to(box: Path):
    assert [install(box, "one"), install(box, "two")] == [0, 0]
    shutil.rmtree(box / "opt/futago/releases/one")
    assert "is not there any more" in do(box, "rollback", "twin").stderr
    assert pointers(box) == ("two", "one")


def test_a_way_back_brings_what_was_kept_before_that_upgrade_and_nothing_older(box: Path):
    data = box / "var/lib/futago/home/futago.db"
    written = []
    for release in ("zero", "one", "two"):
        assert install(box, release, "suite") == 0
        data.write_text(release, encoding="utf-8")
    for _ in range(2):
        do(box, "rollback", "suite")
        written.append(data.read_text(encoding="utf-8"))
    assert written == ["one", "one"]
    assert pointers(box) == ("one", None)


def test_a_suite_that_was_removed_is_installed_again_on_its_data(box: Path):
    (box / "var/lib/futago/home/futago.db").touch()
    assert install(box, "one", "suite") == 0
    assert (box / "var/lib/futago/backups/before-one.zip").exists()


def test_a_box_runs_one_of_the_two(box: Path):
    assert install(box, "one") == 0
    (box / "suite").touch()
    refused = do(box, "install", "suite", str(box / "suite"))
    assert (refused.returncode, pointers(box)) == (73, ("one", None))
    assert "futago-twin.service is installed here" in refused.stderr
