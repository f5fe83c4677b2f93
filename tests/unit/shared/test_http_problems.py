"""What a failure says on the wire."""

import errno
import os

import httpx
import pytest
from fastapi import FastAPI, UploadFile

from shared.errors import AppError, Kind
from shared.http.problems import install_problem_handlers, problem_of


class Busy(AppError):
    kind, code = Kind.RATE_LIMITED, "demo.busy"

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("busy", retry_after_s=retry_after_s)


@pytest.mark.parametrize(("wait_s", "said"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (1.2, "2"), (2.5, "3"), (60.0, "60")])
def test_whoever_comes_back_when_told_to_does_not_come_too_early(wait_s: float, said: str):
    assert problem_of(Busy(wait_s), "/").headers["Retry-After"] == said


def client_of_one_that_fails_to_write(number: int) -> httpx.AsyncClient:
    app = FastAPI()
    install_problem_handlers(app)

    @app.post("/write")
    async def write() -> None:
        raise OSError(number, os.strerror(number))

    @app.post("/upload")
    async def upload(file: UploadFile) -> int | None:
        return file.size

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://demo")


@pytest.mark.parametrize(
    ("number", "status", "code"),
    [
        (errno.ENOSPC, 503, "request.storage_full"),
        (errno.EDQUOT, 503, "request.storage_full"),
        (errno.EACCES, 500, "internal"),
    ],
)
async def test_a_full_disk_is_told_and_any_other_failure_of_a_disk_is_ours(number: int, status: int, code: str):
    async with client_of_one_that_fails_to_write(number) as client:
        answer = await client.post("/write")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (answer.headers.get("retry-after") == "60") is (status == 503)


async def test_a_form_for_which_there_is_no_room_is_not_called_malformed(monkeypatch: pytest.MonkeyPatch):
    class FullDisk:
        def __init__(self, **_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("starlette.formparsers.SpooledTemporaryFile", FullDisk)
    async with client_of_one_that_fails_to_write(errno.ENOSPC) as client:
        answer = await client.post("/upload", files={"file": b"rows"})
    assert (answer.status_code, answer.json()["code"]) == (503, "request.storage_full")
