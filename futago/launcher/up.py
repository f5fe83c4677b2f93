"""`futago up`: from an empty folder to a suite that answers, and back to nothing running."""

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from futago.launcher import bootstrap, processes
from futago.launcher.backoff import Backoff
from futago.launcher.certificate import keep_certificate, make_certificate, names_of_machine
from futago.launcher.console import Console
from futago.launcher.errors import StepFailed
from futago.launcher.home import Home
from futago.launcher.keys import make_keys
from futago.launcher.ports import free_ports
from futago.launcher.spawn import Spawner
from futago.launcher.state import State
from futago.launcher.supervised import Phase, Status
from futago.launcher.supervisor import START_FAILURES_ALLOWED, Supervisor, ending
from futago.launcher.valkey import Valkey
from futago.migrations import CHECKOUT

# At the first start the planner's worker compiles its search, which takes minutes on a busy machine.
READY_TIMEOUT_S = 600.0


class Up:
    """One run of the suite.

    Parameters
    ----------
    home
        Already locked for this process.
    outer
        The environment of the user.
    tls
        Speak TLS, with a certificate made for this machine.
    checkout
        Folder in which `python -m services.…` finds its modules.
    """

    def __init__(
        self,
        home: Home,
        host: str,
        port: int,
        *,
        outer: Mapping[str, str],
        console: Console,
        checkout: Path = CHECKOUT,
        tls: bool = False,
    ) -> None:
        self._home = home
        self._console = console
        self._spawner = Spawner(checkout, home.logs)
        self._supervisor = Supervisor(self._spawner, Backoff(), self._on_change)
        self._announce_restarts = False
        self._names = names_of_machine(host)
        # One more than needed: the public port is free now too, and may be among them.
        ports = tuple(free for free in free_ports(processes.PORTS_NEEDED + 1) if free != port)[: processes.PORTS_NEEDED]
        self._layout = processes.Layout(
            home,
            make_keys(home),
            host,
            port,
            ports,
            outer,
            Valkey(home.valkey, port=ports[0]),
            make_certificate(home, self._names) if tls else None,
        )

    async def run(self) -> None:
        """Start everything, keep it alive until a signal comes, stop everything.

        Raises
        ------
        LaunchError
            If it cannot be started; whatever had started is stopped before.
        """
        asked_to_stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # `nohup futago up` is meant to outlive its terminal.
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self._on_signal, asked_to_stop)
        starting = asyncio.create_task(self._start())
        stopping = asyncio.create_task(asked_to_stop.wait())
        renewing = asyncio.create_task(self._keep_certificate())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                await stopping
        finally:
            beside = (starting, stopping, renewing)
            for task in beside:
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*beside, return_exceptions=True)
            self._announce_restarts = False
            async with self._console.step("stopping", lambda: ", ".join(self._still_running())):
                await self._supervisor.stop()
            self._home.state.unlink(missing_ok=True)

    async def _start(self) -> None:
        layout, console = self._layout, self._console
        console.say(f"Futago starts in {self._home.root}")
        self._supervisor.start([processes.storage(layout)])
        async with console.step("database", lambda: "its tables"):
            await bootstrap.migrate(self._spawner, layout)
            await self._supervisor.wait_ready(READY_TIMEOUT_S)
            await bootstrap.make_first_admin(self._spawner, layout)
        async with console.step("processes", lambda: ", ".join(self._supervisor.starting())):
            self._supervisor.start(processes.suite(layout))
            await self._supervisor.wait_ready(READY_TIMEOUT_S)
        if self._home.credentials.exists() and not self._home.demo_marker.exists():
            await self._make_demo_models()
        self._announce_restarts = True
        console.say(bootstrap.welcome(layout))

    async def _keep_certificate(self) -> None:
        if self._layout.tls is not None:
            await keep_certificate(self._home, self._names, self._console.say)

    async def _make_demo_models(self) -> None:
        try:
            async with self._console.step("demo models", lambda: "their training"):
                await bootstrap.publish_demo_models(self._spawner, self._layout)
        except StepFailed as error:
            # The suite itself is fine, and the next start tries again.
            self._console.say(f"{error}\nThe suite starts without them.")

    def _on_signal(self, asked_to_stop: asyncio.Event) -> None:
        if asked_to_stop.is_set():
            self._console.say("Killing what is left.")
            self._supervisor.kill()
            return
        self._console.say("Stopping; press Ctrl-C again to kill.")
        asked_to_stop.set()

    def _on_change(self, status: Status) -> None:
        # A full disk must not end the supervision; `futago status` then shows an older state.
        with suppress(OSError):
            State(os.getpid(), self._layout.url, self._supervisor.statuses()).write(self._home.state)
        if not self._announce_restarts or status.phase is not Phase.WAITING:
            return
        self._console.say(
            f"{status.name} ended ({ending(status.exit_code)}); it starts again in {status.restart_in_s:g} s"
        )
        if status.failures == START_FAILURES_ALLOWED:
            self._console.say(
                f"{status.name} ended {status.failures} times in a row. Its log, "
                f"{self._spawner.log_path(status.name)}, ends with:\n{self._spawner.last_lines(status.name)}"
            )

    def _still_running(self) -> list[str]:
        return [status.name for status in self._supervisor.statuses() if status.phase is not Phase.STOPPED]
