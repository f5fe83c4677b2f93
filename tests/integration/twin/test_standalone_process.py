"""A twin on its own, started as an edge box starts it."""

import socket
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.integration.twin.edge_twin import COMMAND, MODULE, ROOT, edge_twin, environment
from tests.unit.twin.twin_service import GOOD, Bench


@pytest.fixture
def bench(tmp_path: Path, key_pair: object, clock: object) -> Bench:
    """Without a database or Redis: there is none on the box."""
    bench = Bench(tmp_path, key_pair, clock, "")
    bench.trust.enrol(bench.key().public_pem())
    return bench


@pytest.mark.parametrize("command", [MODULE, COMMAND], ids=["python -m", "futago twin"])
def test_it_starts_answers_and_ends_with_no_other_process(bench: Bench, command: tuple[str, ...]):
    with edge_twin(bench.bundle(), bench.folder, command=command) as twin:
        url = f"http://{twin.address}"
        with httpx.Client(base_url=url, trust_env=False) as client:
            answer = client.post("/predict", json=GOOD).json()
            assert answer["result"]["prediction_interval"]["lower"] < answer["result"]["prediction"]
            health = client.get("/health").json()
            assert 0 < health["uptime_seconds"] < twin.start_s + 20
            assert health["total_requests"] >= 1
        code, said = twin.end()
    assert (code, said) == (0, "")


def test_another_machine_gets_in_with_the_key_alone(bench: Bench):
    key = bench.folder / "key"
    key.write_text("sixteen-letters-and-more")
    key.chmod(0o600)
    with edge_twin(bench.bundle(), bench.folder, "--host", "0.0.0.0", "--api-key-file", str(key)) as twin:
        url = f"http://{twin.address}/predict"
        for headers, status in (({}, 401), ({"X-API-Key": key.read_text()}, 200)):
            assert httpx.post(url, json=GOOD, headers=headers, trust_env=False).status_code == status


def refusal(bench: Bench, *arguments: str, command: tuple[str, ...] = MODULE) -> str:
    """What a start that is refused says."""
    ended = subprocess.run(
        [*command, "--port", "0", *arguments],
        env=environment(bench.folder), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 78, ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr


@pytest.mark.parametrize("command", [MODULE, COMMAND], ids=["python -m", "futago twin"])
def test_a_bundle_that_was_altered_is_refused_in_a_sentence(bench: Bench, command: tuple[str, ...]):
    bundle = bench.bundle()
    graph = bundle / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"!")
    assert "is not the file that was signed" in refusal(bench, "--bundle", str(bundle), command=command)


def test_a_stranger_s_bundle_is_refused_until_its_key_is_trusted(bench: Bench):
    stranger = bench.key("stranger")
    bundle = str(bench.bundle(key=stranger))
    assert f"key '{stranger.key_id}', which is not trusted here" in refusal(bench, "--bundle", bundle)
    public = bench.folder / "stranger.pub.pem"
    public.write_bytes(stranger.public_pem())
    trusted = subprocess.run(
        [*COMMAND[:-1], "trust", "add", str(public)],
        env=environment(bench.folder), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (trusted.returncode, trusted.stdout) == (0, f"Trusted: {stranger.key_id}.\n")
    with edge_twin(Path(bundle), bench.folder) as twin:
        assert twin.process.poll() is None


def test_it_does_not_open_itself_to_other_machines_without_a_key(bench: Bench):
    assert "give an API key" in refusal(bench, "--bundle", str(bench.bundle()), "--host", "0.0.0.0")


@pytest.mark.parametrize("command", [MODULE, COMMAND], ids=["python -m", "futago twin"])
def test_a_port_that_is_taken_is_said_in_a_sentence(bench: Bench, command: tuple[str, ...]):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = refusal(bench, "--bundle", str(bench.bundle()), "--port", str(port), command=command)
    assert f"it could not listen on 127.0.0.1:{port}" in said


def test_settings_that_are_missing_or_wrong_are_named(bench: Bench):
    assert "bundle (TWIN_BUNDLE" in refusal(bench)
    assert "port (TWIN_PORT" in refusal(bench, "--bundle", "x", "--port", "99999")
