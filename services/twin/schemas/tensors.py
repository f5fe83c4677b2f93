"""Tensors on the wire: as JSON numbers, or as raw little-endian bytes behind the JSON (binary tensor extension).

References
----------
.. [1] https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

import math
import struct
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, NonNegativeInt

from services.twin.domain.tensors import Tensor, TensorInvalid

FLOAT64, TEXT = "FP64", "BYTES"
# Kinds of number that are taken; all become doubles.
_NUMBERS = {
    FLOAT64: "<f8", "FP32": "<f4", "FP16": "<f2",
    "INT64": "<i8", "INT32": "<i4", "INT16": "<i2", "INT8": "<i1",
    "UINT64": "<u8", "UINT32": "<u4", "UINT16": "<u2", "UINT8": "<u1",
}  # fmt: skip


class TensorParameters(BaseModel):
    """What a client says about one tensor; members that are not known here are of no consequence."""

    binary_data_size: NonNegativeInt | None = None
    binary_data: bool | None = None
    classification: Any = None
    shared_memory_region: Any = None


class InputTensor(BaseModel):
    """One input: its numbers follow as `data`, flat or nested, or behind the JSON."""

    name: str
    shape: Annotated[list[NonNegativeInt], Field(max_length=8)]
    datatype: str
    parameters: TensorParameters = TensorParameters()
    data: list[Any] | None = None

    def read(self, raw: bytes | None) -> Tensor:
        """The array, from `raw` if that is given and from `data` otherwise.

        Raises
        ------
        TensorInvalid
            If the numbers are none, or do not fill the shape.
        """
        if self.parameters.shared_memory_region is not None:
            raise self._invalid("lies in shared memory, which this server does not read; send it in the request")
        element = _NUMBERS.get(self.datatype)
        if element is None:
            raise self._invalid(f"is of the type {self.datatype!r}; send one of {', '.join(_NUMBERS)}")
        values = self._numbers() if raw is None else _of_bytes(raw, np.dtype(element))
        if values is None or values.size != math.prod(self.shape):
            raise self._invalid(f"does not fill its shape {self.shape} with numbers of {self.datatype}")
        return Tensor(self.name, values.astype(np.float64).reshape(self.shape))

    def _numbers(self) -> NDArray[Any] | None:
        try:
            values = np.asarray(self.data)
        except ValueError:
            return None
        # Numbers are taken as they are written, whatever type is declared; true, texts and gaps are no numbers.
        return values if values.dtype.kind in "iuf" and not _holds_truth(self.data) else None

    def _invalid(self, what: str) -> TensorInvalid:
        return TensorInvalid(f"the tensor {self.name!r} {what}", tensor=self.name)


class OutputRequest(BaseModel):
    """One output that a client wants."""

    name: str
    parameters: TensorParameters = TensorParameters()


class TensorSpec(BaseModel):
    """What a tensor looks like; a length of -1 is any."""

    name: str
    datatype: str
    shape: list[int]


def text_bytes(texts: Sequence[str]) -> bytes:
    """Texts in the binary form: each behind its length as four bytes."""
    encoded = [text.encode() for text in texts]
    return b"".join(struct.pack("<I", len(text)) + text for text in encoded)


def _holds_truth(data: Any) -> bool:
    """Whether true or false stands among the numbers: numpy makes 1 and 0 of them."""
    return isinstance(data, bool) or (isinstance(data, list) and any(map(_holds_truth, data)))


def _of_bytes(raw: bytes, element: np.dtype[Any]) -> NDArray[Any] | None:
    return None if len(raw) % element.itemsize else np.frombuffer(raw, element)
