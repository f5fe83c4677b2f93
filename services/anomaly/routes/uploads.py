"""Files with rows to train on or to score."""

import tempfile
from typing import IO, Annotated

from fastapi import APIRouter, Query, Request, status
from starlette.datastructures import UploadFile

from services.anomaly.domain.csv_table import UploadTooLarge
from services.anomaly.domain.images import ImagesRefused
from services.anomaly.domain.rows import RowsRefused
from services.anomaly.domain.uploads import FileFormat, UploadDesk, UploadUnsupported, format_of
from services.anomaly.domain.workbench import Overloaded
from services.anomaly.schemas.responses import UploadResponse
from shared.errors import Fault
from shared.http.dependencies import NotAllowed, require, use
from shared.http.problems import responses
from shared.principal import Permission, Principal

PATH = "/api/v1/anomaly/uploads"

router = APIRouter(tags=["uploads"])

# A small file never touches the disk.
_SPOOLED_BYTES = 1 << 20
_FILE = {"type": "string", "format": "binary"}
_BODY = {
    "required": True,
    "content": {
        **{form.value: {"schema": _FILE} for form in FileFormat},
        "multipart/form-data": {
            "schema": {"type": "object", "required": ["file"], "properties": {"file": _FILE}},
        },
    },
}


@router.post(
    PATH,
    status_code=status.HTTP_201_CREATED,
    openapi_extra={"requestBody": _BODY},
    responses=responses(NotAllowed, RowsRefused, ImagesRefused, UploadTooLarge, UploadUnsupported, Overloaded),
)
async def upload(
    request: Request,
    desk: Annotated[UploadDesk, use(UploadDesk)],
    caller: Annotated[Principal, require(Permission.TRAIN)],
    time_column: Annotated[
        str | None, Query(max_length=128, description="column with times; without a zone they are UTC")
    ] = None,
) -> UploadResponse:
    """Keep a file for a training or for scores: CSV, Parquet, or `.npz` with images `(n, h, w[, c])`.

    It comes as the body itself, or as the form field `file`, where the ending of its name says what it is.
    """
    with tempfile.SpooledTemporaryFile(_SPOOLED_BYTES) as file:
        form = await _receive(request, file)
        upload_id, kept = await desk.accept(file, form, time_column=time_column, by=caller.subject)
    return UploadResponse.of(upload_id, kept)


async def _receive(request: Request, file: IO[bytes]) -> FileFormat:
    """Write the sent file out as it arrives; returns what it is."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "multipart/form-data":
        form = format_of(media_type)
        async for chunk in request.stream():
            file.write(chunk)
        return form
    async with request.form(max_files=1, max_fields=8) as fields:
        sent = fields.get("file")
        if not isinstance(sent, UploadFile):
            raise RowsRefused("the form holds no file", faults=[Fault("/file", "the file goes here")])
        form = format_of(sent.content_type or "", sent.filename or "")
        while part := await sent.read(_SPOOLED_BYTES):
            file.write(part)
        return form
