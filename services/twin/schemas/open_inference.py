"""Requests of the Open Inference Protocol, version 2, as they come over HTTP.

References
----------
.. [1] https://github.com/open-inference/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

import zlib
from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import BaseModel, FailFast, Field, StrictFloat, ValidationError

from services.twin.domain.tensors import Tensor, TensorInvalid
from services.twin.schemas.base import ASSET_PATTERN, DEFAULT_LEVEL
from services.twin.schemas.tensors import InputTensor, OutputRequest
from shared.errors import AppError, Fault, Kind

# Name of the header that says where the JSON ends and the raw bytes begin.
JSON_LENGTH_HEADER = "inference-header-content-length"
# zlib's names for the two forms: with its own frame, and with that of gzip.
_WINDOW_BITS = {"deflate": zlib.MAX_WBITS, "gzip": zlib.MAX_WBITS | 16}
# Of a length; Python refuses to read a number of thousands of digits.
_MOST_DIGITS = 18


class InferenceRequestInvalid(AppError):
    """The request is not one of the Open Inference Protocol."""

    kind, code = Kind.INVALID, "twin.inference_request_invalid"


class UnpackedTooLarge(AppError):
    """The body is larger, once unpacked, than a body may be."""

    kind, code = Kind.TOO_LARGE, "twin.unpacked_too_large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"the body unpacks to more than {limit_bytes} bytes", limit_bytes=limit_bytes)


class EncodingUnsupported(AppError):
    """The body is packed in a way that is not known here."""

    kind, code = Kind.UNSUPPORTED, "twin.encoding_unsupported"

    def __init__(self, encoding: str) -> None:
        super().__init__(f"the body is encoded as {encoding!r}; send it as it is, or as gzip or deflate")


class RequestParameters(BaseModel):
    """What a client says about the whole request; members that are not known here are of no consequence."""

    level: Annotated[StrictFloat, Field(gt=0, lt=1, description="probability of the interval")] = DEFAULT_LEVEL
    asset: Annotated[str | None, Field(max_length=255, pattern=ASSET_PATTERN)] = None
    binary_data_output: bool = False


class InferenceRequest(BaseModel):
    """Tensors to predict; the raw bytes behind the JSON are not a part of it."""

    id: str | None = None
    parameters: RequestParameters = RequestParameters()
    inputs: Annotated[list[InputTensor], FailFast()]
    outputs: Annotated[list[OutputRequest], FailFast()] = Field(default_factory=list)

    @classmethod
    def read(cls, body: bytes, json_length: str | None) -> tuple[Self, Sequence[Tensor]]:
        """The request and its tensors.

        Parameters
        ----------
        json_length
            Value of the header `Inference-Header-Content-Length`; without it the whole body is JSON.

        Raises
        ------
        InferenceRequestInvalid
            If the JSON is none, lacks a member, or more or less bytes follow than it says.
        TensorInvalid
            If a tensor does not hold what its header says.
        """
        end = len(body) if json_length is None else _length(json_length, len(body))
        try:
            request = cls.model_validate_json(body[:end])
        except ValidationError as error:
            faults = [Fault(_pointer(fault["loc"]), fault["msg"]) for fault in error.errors(include_url=False)]
            message = "the request is not one of the Open Inference Protocol"
            raise InferenceRequestInvalid(message, faults=faults) from error
        return request, _tensors(request.inputs, memoryview(body)[end:])


def unpack(body: bytes, encoding: str | None, limit_bytes: int) -> bytes:
    """The body as it was before the client packed it.

    Raises
    ------
    EncodingUnsupported, UnpackedTooLarge, InferenceRequestInvalid
        If it cannot be unpacked, or would grow beyond the limit.
    """
    # Names of encodings are the same in upper and lower case (RFC 9110, section 8.4.1).
    packed_as = "identity" if encoding is None else encoding.strip().lower()
    if packed_as == "identity":
        return body
    if packed_as not in _WINDOW_BITS:
        raise EncodingUnsupported(packed_as)
    unpacker = zlib.decompressobj(_WINDOW_BITS[packed_as])
    try:
        plain = unpacker.decompress(body, limit_bytes + 1)
    except zlib.error as error:
        raise InferenceRequestInvalid(f"the body is not {encoding}: {error}") from error
    if len(plain) > limit_bytes:
        raise UnpackedTooLarge(limit_bytes)
    if not unpacker.eof:
        raise InferenceRequestInvalid(f"the body is not {encoding}: it ends too early")
    return plain


def _length(text: str, most: int) -> int:
    if not text.isdecimal() or len(text) > _MOST_DIGITS or int(text) > most:
        shown = text[:_MOST_DIGITS]
        raise InferenceRequestInvalid(f"Inference-Header-Content-Length is {shown!r}, and the body has {most} bytes")
    return int(text)


def _tensors(inputs: Sequence[InputTensor], raw: memoryview) -> list[Tensor]:
    tensors: list[Tensor] = []
    start = 0
    for tensor in inputs:
        size = tensor.parameters.binary_data_size
        if size is None:
            tensors.append(tensor.read(None))
            continue
        if start + size > len(raw):
            raise TensorInvalid(
                f"the tensor {tensor.name!r} has {size} bytes behind the JSON, and there are {len(raw) - start} left",
                tensor=tensor.name,
            )
        tensors.append(tensor.read(bytes(raw[start : start + size])))
        start += size
    if start != len(raw):
        raise InferenceRequestInvalid(f"{len(raw) - start} bytes follow the JSON that belong to no tensor")
    return tensors


def _pointer(location: Sequence[str | int]) -> str:
    return "".join(f"/{part}" for part in location)
