"""Structured logs: one event a line, to the console and to a rotating file, with the request's id on every line."""

import fcntl
import itertools
import json
import logging
import logging.handlers
import sys
import threading
from pathlib import Path
from types import TracebackType

import structlog
from structlog.stdlib import BoundLogger
from structlog.typing import EventDict, Processor, WrappedLogger

# A record with this attribute holds finished lines of JSON.
RENDERED = "futago_rendered"

_FILE_BYTES = 10 * 1024**2
_FILES_KEPT = 5


def get_logger(name: str) -> BoundLogger:
    """The logger of a module; log an event name and fields, never a sentence with values in it."""
    logger: BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def configure_logging(*, service: str, level: str, folder: Path | None) -> None:
    """Send this process's logs to the console, and to `<folder>/<service>.log` where a folder is given.

    The file rotates at 10 MiB and five are kept; a second process of the same name gets one of its own. The console
    gets colours only if it is a terminal, JSON otherwise.
    """

    def name_service(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    context: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_service,
    ]
    as_json = _Formatter(
        foreign_pre_chain=context,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str),
        ],
    )
    # structlog's default shows local variables beside each frame, and those hold passwords and tokens.
    for_people = _FormatterForPeople(
        foreign_pre_chain=context,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
        ],
    )
    console = logging.StreamHandler(sys.stdout)
    console.setFormatter(for_people if sys.stdout.isatty() else as_json)
    handlers: list[logging.Handler] = [console]
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        rotating = _FileOfOneProcess(folder, service)
        rotating.setFormatter(as_json)
        handlers.append(rotating)
    # No line names a thread, a process or a place in the code: finding them out takes a third of the time of a line.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # noqa: SLF001 (the documented switch, Logging HOWTO)
    logging.basicConfig(handlers=handlers, level=level.upper(), force=True)
    logging.captureWarnings(capture=True)
    for noisy in ("httpx", "httpcore", "alembic", "rq.worker", "aiohttp.access", "shared.database_metrics.TimedPool"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *context,
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def log_crashes() -> None:
    """Have an error that ends the process, or one of its threads, logged as one line like any other."""

    def process_ends(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            get_logger(__name__).critical("process_crashed", exc_info=(kind, error, trace))

    def thread_ends(told: threading.ExceptHookArgs) -> None:
        name = None if told.thread is None else told.thread.name
        error = (told.exc_type, told.exc_value, told.exc_traceback)
        get_logger(__name__).critical("thread_crashed", thread=name, exc_info=error)

    sys.excepthook, threading.excepthook = process_ends, thread_ends


class _FileOfOneProcess(logging.handlers.RotatingFileHandler):
    """`gateway.log`, or `gateway-2.log` … while others write to those before: two processes cannot rotate one file."""

    def __init__(self, folder: Path, service: str) -> None:
        for name in itertools.chain([service], (f"{service}-{number}" for number in itertools.count(2))):
            # Let go of when the process ends, however it does.
            self._claim = (folder / f"{name}.lock").open("wb")
            try:
                fcntl.flock(self._claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._claim.close()
            except OSError:
                # A file system without locks, as some on a network: one file for all is better than no process.
                break
            else:
                break
        super().__init__(folder / f"{name}.log", maxBytes=_FILE_BYTES, backupCount=_FILES_KEPT, encoding="utf-8")

    def close(self) -> None:
        super().close()
        self._claim.close()


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """structlog's formatter, which also takes lines that are finished already."""

    def format(self, record: logging.LogRecord) -> str:
        return record.getMessage() if hasattr(record, RENDERED) else super().format(record)


class _FormatterForPeople(structlog.stdlib.ProcessorFormatter):
    """The same with colours."""

    def format(self, record: logging.LogRecord) -> str:
        if not hasattr(record, RENDERED):
            return super().format(record)
        renderer = self.processors[-1]
        return "\n".join(str(renderer(None, "info", json.loads(line))) for line in record.getMessage().splitlines())
