"""`deploy/compose.yaml` with a real engine: it comes up, keeps to its rules, and goes on when parts of it do not."""

import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from futago.credentials import Credentials
from tests.containers.conftest import PATIENCE_S, ROOT, Receiver, Stack, run, wait_until

pytestmark = [pytest.mark.containers, pytest.mark.timeout(1200)]

ROW = {"temp": 360.0, "pressure": 6.0, "flow": 100.0}
OURS = ("gateway", "twin", "anomaly", "anomaly-worker", "planner", "planner-worker")
ONCE = {"migrate", "first-admin"}


def test_every_container_is_healthy_and_what_runs_once_has_succeeded(stack: Stack):
    states = {each["Name"]: each for each in stack.containers()}
    assert len(states) == 15
    for name, each in states.items():
        if each["Config"]["Labels"]["com.docker.compose.service"] in ONCE:
            assert (each["State"]["Status"], each["State"]["ExitCode"]) == ("exited", 0), name
        else:
            assert each["State"]["Health"]["Status"] == "healthy", name


def test_no_container_can_write_to_its_root_or_gain_rights(stack: Stack):
    for each in stack.containers():
        host, name = each["HostConfig"], each["Name"]
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        assert not host["Privileged"], name


@pytest.mark.parametrize("service", OURS)
def test_our_processes_are_nobody_special(stack: Stack, service: str):
    assert stack.compose("exec", "-T", service, "id", "-u").strip() == "10001"
    probe = "import pathlib; pathlib.Path('/app/shared/x.py').write_text('x')"
    done = subprocess.run(
        ["docker", "exec", stack.of(service)[0], "python", "-c", probe], capture_output=True, text=True, check=False
    )
    assert "Read-only file system" in done.stderr


def test_no_secret_stands_in_an_environment_or_a_command_line(stack: Stack):
    names = ("passwords/postgres", "passwords/redis", "passwords/grafana", "gateway/second-factor.key")
    secrets = [stack.secret(name).strip() for name in names]
    shown = "".join(str((each["Config"]["Env"], each["Config"]["Cmd"], each["Args"])) for each in stack.containers())
    shown += "".join(stack.compose("top", service) for service in (*OURS, "redis", "postgres"))
    assert [secret for secret in secrets if secret in shown] == []


def test_nobody_sees_a_private_key_that_is_not_theirs(stack: Stack):
    seen = {
        service: stack.compose(
            "exec", "-T", service, "sh", "-c", "cd /run/futago && ls */*.pem */*.key 2>/dev/null || true"
        )
        for service in OURS
    }
    assert "gateway/access.pem" in seen["gateway"]
    assert "signing/signing.pem" in seen["anomaly-worker"]
    for service in set(OURS) - {"gateway"}:
        assert "gateway/" not in seen[service], service
    for service in set(OURS) - {"anomaly-worker"}:
        assert "signing/" not in seen[service], service


def client_context(stack: Stack, version: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(stack.authority))
    # This machine's OpenSSL would otherwise not even offer the old ones.
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    return context


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("version", "spoken"),
    [
        (ssl.TLSVersion.TLSv1, False),
        (ssl.TLSVersion.TLSv1_1, False),
        (ssl.TLSVersion.TLSv1_2, True),
        (ssl.TLSVersion.TLSv1_3, True),
    ],
)
def test_only_tls_of_today_is_spoken(stack: Stack, version: ssl.TLSVersion, spoken: bool):
    def handshake() -> bool:
        with socket.create_connection(("127.0.0.1", stack.https_port), timeout=5) as plain:
            try:
                with client_context(stack, version).wrap_socket(plain, server_hostname="localhost"):
                    return True
            except (ssl.SSLError, ConnectionError):
                return False

    assert handshake() is spoken


def test_a_client_that_dawdles_is_cut_off(stack: Stack):
    with socket.create_connection(("127.0.0.1", stack.https_port), timeout=30) as plain:
        context = ssl.create_default_context(cafile=str(stack.authority))
        with context.wrap_socket(plain, server_hostname="localhost") as slow:
            slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
            began = time.monotonic()
            assert b" 200 " not in slow.recv(100)
            assert time.monotonic() - began < 20


def test_what_operations_look_at_stays_inside(stack: Stack):
    context = ssl.create_default_context(cafile=str(stack.authority))
    with httpx.Client(base_url=stack.url, verify=context) as outside:
        assert outside.get("/metrics").status_code == 404
        assert outside.get("/healthz").status_code == 200
    answer = httpx.get(f"http://127.0.0.1:{stack.http_port}/docs")
    moved = f"https://127.0.0.1:{stack.https_port}/docs"
    assert (answer.status_code, answer.headers["location"]) == (308, moved)


def test_prometheus_sees_every_process(stack: Stack):
    def up() -> Counter[str]:
        return Counter(each["metric"]["service"] for each in stack.prometheus('up{job="futago"} == 1'))

    wait_until(lambda: up() == Counter(dict.fromkeys(OURS, 1) | {"gateway": 2}), PATIENCE_S, f"all up: {up()}")
    assert stack.prometheus('up{job="futago"} == 0') == []


def test_the_rules_are_loaded_and_none_fails(stack: Stack):
    groups = httpx.get(f"http://127.0.0.1:{stack.prometheus_port}/api/v1/rules").json()["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert "FutagoServiceDown" in {rule["name"] for rule in rules}
    assert [(rule["name"], rule["lastError"]) for rule in rules if rule.get("lastError")] == []


def test_the_demo_does_the_main_job_through_nginx(stack: Stack):
    command = [
        sys.executable,
        "-m",
        "futago",
        "demo",
        "--url",
        stack.url,
        "--home",
        str(stack.home.root),
        "--seconds",
        "5",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def asking(stack: Stack, ask: Callable[[httpx.Client], int]) -> Iterator[Counter[int | str]]:
    """One client that asks all the time; what it was answered."""
    answers: Counter[int | str] = Counter()
    stop = threading.Event()
    context = ssl.create_default_context(cafile=str(stack.authority))

    def loop() -> None:
        with httpx.Client(base_url=stack.url, verify=context, timeout=20) as http:
            # Slower than what one caller may ask in an hour.
            while not stop.wait(0.02):
                try:
                    answers[ask(http)] += 1
                except httpx.HTTPError as error:
                    answers[type(error).__name__] += 1

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield answers
    finally:
        stop.set()
        thread.join()


def with_token(stack: Stack) -> Callable[[httpx.Client], int]:
    """Asks with one access token, fetched now."""
    known = Credentials.read(stack.home.credentials)
    context = ssl.create_default_context(cafile=str(stack.authority))
    login = {"username": known.username, "password": known.password}
    token = httpx.post(f"{stack.url}/api/v1/auth/login", json=login, verify=context).json()["access_token"]

    def ask(http: httpx.Client) -> int:
        return http.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"}).status_code

    return ask


def with_key(stack: Stack) -> Callable[[httpx.Client], int]:
    """Asks for a prediction with the API key of the first administrator."""
    key = str(Credentials.read(stack.home.credentials).api_key)

    def ask(http: httpx.Client) -> int:
        query = {"model": "demo-yield"}
        return http.post("/api/v1/twin/predict", params=query, json=ROW, headers={"X-API-Key": key}).status_code

    return ask


def key_ids(stack: Stack) -> set[str]:
    context = ssl.create_default_context(cafile=str(stack.authority))
    keys = httpx.get(f"{stack.url}/.well-known/jwks.json", verify=context).json()["keys"]
    return {key["kid"] for key in keys}


def rotate(stack: Stack, private: str, public: str) -> None:
    """As the how-to does it: by the gateway's image, which holds the command."""
    files = ("--private-key", f"/secrets/{private}", "--public-keys", f"/secrets/{public}", "--settle-s", "8")
    mount = f"{stack.secrets}:/secrets"
    # The folder is closed to the user of the containers, which sees only the parts it is given.
    run("docker", "run", "--rm", "--network", "none", "--user", "0:0", "--volume", mount, "futago-gateway",
        "futago", "keys", "rotate", *files)  # fmt: skip


def is_healthy(container: str) -> bool:
    return run("docker", "inspect", "--format", "{{.State.Health.Status}}", container).strip() == "healthy"


def test_keys_are_rotated_and_no_request_notices(stack: Stack):
    before = key_ids(stack)
    with asking(stack, with_token(stack)) as old, asking(stack, with_key(stack)) as inside:
        rotate(stack, "gateway/access.pem", "gateway/access.pub.pem")
        rotate(stack, "gateway/identity.pem", "identity/identity.pub.pem")
        with asking(stack, with_token(stack)) as new:
            time.sleep(3)
    assert len(key_ids(stack) - before) == 1
    for answers in (old, inside, new):
        assert set(answers) == {200}
        assert answers[200] > 10


def test_a_gateway_that_is_killed_costs_what_it_was_answering_and_no_more(stack: Stack):
    victim = stack.of("gateway")[0]
    with asking(stack, with_key(stack)) as answers:
        time.sleep(2)
        run("docker", "kill", victim)
        time.sleep(10)
        run("docker", "start", victim)
        wait_until(lambda: is_healthy(victim), PATIENCE_S, "the gateway is back")
        time.sleep(3)
    failed = {answer: count for answer, count in answers.items() if answer != 200}
    assert sum(failed.values()) <= 1, failed
    assert answers[200] > 50


def test_the_gateways_are_stopped_and_started_one_after_the_other_without_a_failed_request(stack: Stack):
    with asking(stack, with_key(stack)) as answers:
        for gateway in stack.of("gateway"):
            run("docker", "restart", "--time", "45", gateway)
            wait_until(partial(is_healthy, gateway), PATIENCE_S, f"{gateway} is back")
    assert set(answers) == {200}


def test_people_are_told_of_a_service_that_died_and_that_it_is_back(stack: Stack, receiver: Receiver):
    (twin,) = stack.of("twin")
    run("docker", "kill", twin)
    wait_until(lambda: receiver.told("FutagoServiceDown", "twin", "firing"), PATIENCE_S, "told")
    run("docker", "start", twin)
    wait_until(lambda: receiver.told("FutagoServiceDown", "twin", "resolved"), 2 * PATIENCE_S, "told")


def test_a_backup_comes_back_in_an_empty_place(stack: Stack, tmp_path: Path):
    backup = tmp_path / "backup"
    scripts = ROOT / "deploy" / "scripts"
    with stack.client() as client:
        predicted = client.predict(ROW, model="demo-yield")["prediction"]
        trail = client.verify_audit()
        plan = next(job for job in client.jobs() if job.kind.startswith("planner.") and job.state == "succeeded")
        plan_id = str(plan.result["plan"])
        before = client.get_plan(plan_id)
    run(str(scripts / "backup.sh"), str(backup), environment=stack.environment, timeout_s=300)
    refused = subprocess.run(
        [str(scripts / "restore.sh"), str(backup)], env=stack.environment, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 73

    stack.compose("down", "--volumes", "--timeout", "20", timeout_s=300)
    stack.secrets.rename(stack.folder / "secrets.lost")
    run(str(scripts / "restore.sh"), str(backup), environment=stack.environment, timeout_s=600)

    with stack.client() as client:
        assert client.predict(ROW, model="demo-yield")["prediction"] == predicted
        after = client.verify_audit()
        assert after.intact
        assert after.entries >= trail.entries
        assert client.get_plan(plan_id) == before
