"""Predictions written as the JSON that the models in `predictions` describe.

Plain dictionaries, because making and dumping those models takes longer than the prediction itself.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from services.twin.domain.prediction import BatchPrediction, Prediction
from services.twin.domain.serving import Answer
from shared.clock import rfc3339
from shared.errors import JSON, AppError

Document: TypeAlias = dict[str, Any]


def prediction_document(answer: Answer[Prediction], *, user: str, request_id: str) -> Document:
    """A `PredictionResponse`."""
    found = answer.content
    return {
        "model": found.model,
        "version": found.version,
        "prediction": found.prediction,
        "unit": found.unit,
        "prediction_interval": {"lower": found.lower, "upper": found.upper, "level": found.level},
        "applicability": {"state": found.applicability.state.value, "features": found.applicability.features},
        "status": found.status.value,
        "age_s": found.age_s,
        "from_cache": found.from_cache,
        "variant": found.variant,
        "warnings": [
            {
                "code": "stuck",
                "feature": stuck.feature,
                "detail": f"{stuck.feature!r} has been exactly {stuck.value:g} in {stuck.repeats} readings in a row",
            }
            for stuck in found.stuck
        ],
        "inference_time_ms": round(answer.duration_s * 1000, 4),
        "timestamp": rfc3339(answer.answered_at),
        "user": user,
        "request_id": request_id,
    }


def batch_document(
    answer: Answer[BatchPrediction], inputs: Sequence[Mapping[str, JSON]], *, user: str, request_id: str
) -> Document:
    """A `BatchResponse`."""
    batch = answer.content
    return {
        "model": batch.model,
        "version": batch.version,
        "unit": batch.unit,
        "user": user,
        "total": len(inputs),
        "successful": batch.successful,
        "variant": batch.variant,
        "results": [
            {"index": index, "input": row, **_result(result)}
            for index, (row, result) in enumerate(zip(inputs, batch.results, strict=True))
        ],
        "inference_time_ms": round(answer.duration_s * 1000, 4),
        "timestamp": rfc3339(answer.answered_at),
        "request_id": request_id,
    }


def _result(result: Prediction | AppError) -> Document:
    if isinstance(result, Prediction):
        return {
            "status": result.status.value,
            "prediction": result.prediction,
            "prediction_interval": {"lower": result.lower, "upper": result.upper, "level": result.level},
            "applicability": {"state": result.applicability.state.value, "features": result.applicability.features},
            "age_s": result.age_s,
        }
    return {
        "status": "error",
        "error": "; ".join(fault.detail for fault in result.faults) or result.message,
        "code": result.code,
        "errors": [{**fault.facts, "pointer": fault.pointer, "detail": fault.detail} for fault in result.faults],
    }
