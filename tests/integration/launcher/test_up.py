"""`futago up` as a whole, over services of a few lines: started, watched, killed, stopped."""

import asyncio
import json
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from futago.launcher.control import running_state
from futago.launcher.home import Home
from futago.launcher.ports import free_ports
from futago.launcher.state import State
from futago.launcher.supervised import Phase
from tests.integration.launcher.waiting import gone, running, until

NAMES = ("valkey", "gateway", "twin", "anomaly", "planner", "anomaly-worker", "planner-worker")

# Answers /readyz on the port it was told, and notes its name in a file when it is asked to stop.
SERVICE = """
import http.server, os, pathlib, signal, sys

NAME, PORT = {name!r}, int(os.environ[{variable!r}])

class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass

def end(*_):
    with open({ended!r}, "a") as file:
        file.write(NAME + " ")
    os._exit(0)

signal.signal(signal.SIGTERM, end)
print(NAME, "listens", flush=True)
http.server.HTTPServer(("127.0.0.1", PORT), Ready).serve_forever()
"""
BOOTSTRAP = """
import json, os, sys
path, url = sys.argv[sys.argv.index("--credentials") + 1], sys.argv[sys.argv.index("--url") + 1]
with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
    json.dump({"url": url, "username": "admin", "password": "p", "api_key": "k"}, file)
"""
UP = """
import asyncio, os, pathlib, sys
from futago.errors import FutagoError
from futago.launcher.console import Console
from futago.launcher.errors import LaunchError
from futago.launcher.home import Home
from futago.launcher.up import Up
home, port, checkout = Home(pathlib.Path(sys.argv[1])), int(sys.argv[2]), pathlib.Path(sys.argv[3])
home.make_folders()
try:
    with home.locked(f"http://127.0.0.1:{port}"):
        up = Up(home, "127.0.0.1", port, outer=dict(os.environ), console=Console(sys.stdout), checkout=checkout)
        asyncio.run(up.run())
except (LaunchError, FutagoError) as error:
    sys.exit(str(error))
"""


class Suite:
    """One `futago up` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder / "home")
        self.port = free_ports(1)[0]
        self.ended = folder / "ended"
        self._checkout = folder / "checkout"
        self._process: asyncio.subprocess.Process | None = None
        for name in ("gateway", "twin", "anomaly", "planner"):
            self.replace(name, "app")
        for name in ("anomaly", "planner"):
            self.replace(name, "worker")
        (self._checkout / "services" / "gateway" / "bootstrap.py").write_text(BOOTSTRAP)
        (self._checkout / "futago").mkdir()
        (self._checkout / "futago" / "__main__.py").write_text("print('no tables here')")
        # The demo models need real services: here they are there already.
        self.home.make_folders()
        self.home.demo_marker.write_text("{}")

    def replace(self, name: str, kind: str, source: str = SERVICE) -> None:
        """Write the module of a process."""
        path = self._checkout / "services" / name / f"{kind}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        shown = name if kind == "app" else f"{name}-worker"
        text = source.format(name=shown, variable=f"{name.upper()}_PORT", ended=str(self.ended))
        path.write_text(text)

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", UP, self.home.root, str(self.port), self._checkout,
            env={"PYTHONPATH": str(Path.cwd()), "PATH": os.defpath},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip

    async def ready(self) -> str:
        """Everything it said until it was ready."""
        assert self._process is not None
        assert self._process.stdout is not None
        try:
            said = await asyncio.wait_for(self._process.stdout.readuntil(b"`futago demo`"), 60.0)
        except asyncio.IncompleteReadError as error:
            pytest.fail(f"it never became ready: {error.partial.decode()} {(await self.end())[2]}")
        return said.decode()

    async def end(self) -> tuple[int | None, str, str]:
        """Exit code, and what it still had to say."""
        assert self._process is not None
        out, error = await asyncio.wait_for(self._process.communicate(), 60.0)
        return self._process.returncode, out.decode(), error.decode()

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def state(self) -> State:
        return running_state(self.home)

    def pids(self) -> dict[str, int]:
        return {status.name: status.pid for status in self.state().processes if status.pid is not None}

    async def clean_up(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.communicate()


@pytest.fixture
async def suite(tmp_path: Path) -> AsyncIterator[Suite]:
    suite = Suite(tmp_path)
    yield suite
    await suite.clean_up()


async def test_it_comes_up_says_where_it_is_and_stops_in_order_on_ctrl_c(suite: Suite):
    await suite.start()
    said = await suite.ready()
    assert f"http://127.0.0.1:{suite.port}" in said
    assert str(suite.home.credentials) in said
    assert "\x1b" not in said
    pids = suite.pids()
    assert tuple(pids) == NAMES
    assert {status.phase for status in suite.state().processes} == {Phase.READY}
    suite.signal(signal.SIGINT)
    code, _out, error = await suite.end()
    assert (code, error) == (0, "")
    assert not any(running(pid) for pid in pids.values())
    order = suite.ended.read_text().split()
    assert order[0] == "gateway"
    assert set(order[1:4]) == {"twin", "anomaly", "planner"}
    assert set(order[4:]) == {"anomaly-worker", "planner-worker"}
    assert suite.home.holder() is None


async def test_killed_itself_it_leaves_nothing_running(suite: Suite):
    await suite.start()
    await suite.ready()
    pids = suite.pids()
    suite.signal(signal.SIGKILL)
    await suite.end()
    await gone(list(pids.values()))


@pytest.mark.parametrize("name", ["valkey", "twin", "planner-worker"])
async def test_any_process_that_is_killed_comes_back(name: str, suite: Suite):
    await suite.start()
    await suite.ready()
    first = suite.pids()[name]
    os.kill(first, signal.SIGKILL)

    def back() -> bool:
        now = {status.name: status for status in suite.state().processes}[name]
        return now.phase is Phase.READY and now.pid != first

    await until(back)
    suite.signal(signal.SIGTERM)
    code, out, _error = await suite.end()
    assert code == 0
    assert f"{name} ended (killed by signal 9); it starts again in 0.5 s" in out


async def test_a_service_that_does_not_start_ends_it_all_with_the_reason(suite: Suite):
    suite.replace("twin", "app", "import sys; print('the model folder is missing'); sys.exit(1)")
    await suite.start()
    code, _out, error = await suite.end()
    assert code == 1
    assert "twin does not start: it ended 3 times, exit code 1" in error
    assert "the model folder is missing" in error
    assert suite.home.holder() is None


async def test_a_credentials_file_that_cannot_be_read_is_a_sentence(suite: Suite):
    suite.home.credentials.write_text("{")
    await suite.start()
    code, _out, error = await suite.end()
    assert (code, error.splitlines()) == (1, [error.rstrip("\n")])
    assert f"{suite.home.credentials} cannot be read" in error
    assert suite.home.holder() is None


async def test_started_to_outlive_its_terminal_it_does(suite: Suite):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        await suite.start()
    finally:
        signal.signal(signal.SIGHUP, before)
    await suite.ready()
    suite.signal(signal.SIGHUP)
    suite.signal(signal.SIGTERM)
    code, out, _error = await suite.end()
    assert code == 0
    assert "Killing what is left." not in out


async def test_a_second_ctrl_c_waits_for_nobody(suite: Suite):
    deaf = SERVICE.replace("signal.signal(signal.SIGTERM, end)", "signal.signal(signal.SIGTERM, lambda *_: None)")
    suite.replace("twin", "app", deaf)
    await suite.start()
    await suite.ready()
    pids = suite.pids()
    suite.signal(signal.SIGINT)
    await until(lambda: not running(pids["gateway"]))
    suite.signal(signal.SIGINT)
    code, out, _error = await asyncio.wait_for(suite.end(), 10.0)
    assert code == 0
    assert "Killing what is left." in out
    await gone(list(pids.values()))


async def test_another_shell_sees_it_and_stops_it(suite: Suite):
    await suite.start()
    await suite.ready()
    shown = await command("status", suite)
    assert [line.split()[0] for line in shown.splitlines()[2:]] == list(NAMES)
    assert json.loads(await command("status", suite, "--json"))["url"] == f"http://127.0.0.1:{suite.port}"
    assert await command("down", suite) == "Stopped.\n"
    assert (await suite.end())[0] == 0


async def test_a_second_start_keeps_the_password_and_follows_the_port(suite: Suite):
    await suite.start()
    await suite.ready()
    suite.signal(signal.SIGTERM)
    await suite.end()
    suite.home.credentials.write_text(json.dumps(json.loads(suite.home.credentials.read_text()) | {"password": "mine"}))
    suite.port = free_ports(1)[0]
    await suite.start()
    await suite.ready()
    known = json.loads(suite.home.credentials.read_text())
    assert (known["url"], known["password"]) == (f"http://127.0.0.1:{suite.port}", "mine")
    assert stat.S_IMODE(suite.home.credentials.stat().st_mode) == 0o600


async def test_stopped_while_it_starts_it_leaves_nothing_and_is_no_failure(suite: Suite):
    suite.replace("twin", "app", "import time; time.sleep(60)")
    await suite.start()
    await until(lambda: suite.home.state.exists() and "gateway" in suite.pids(), 60.0)
    pids = suite.pids()
    suite.signal(signal.SIGINT)
    code, out, error = await suite.end()
    assert (code, error) == (0, "")
    assert "Futago is ready" not in out
    await gone(list(pids.values()))


async def command(name: str, suite: Suite, *options: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "futago", name, *options,
        env={"FUTAGO_HOME": str(suite.home.root), "PATH": os.defpath}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _error = await asyncio.wait_for(process.communicate(), 60.0)
    assert process.returncode == 0
    return out.decode()
