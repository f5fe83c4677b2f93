"""What the detectors' document says for those who use it: bodies that are accepted, and where an answer leads."""

from shared.contracts.guide import Guide, Lead

_DETECTORS = "/api/v1/anomaly/detectors"
_DETECTOR = f"{_DETECTORS}/{{name}}"
_OF_DETECTOR = (
    f"GET {_DETECTOR}",
    f"POST {_DETECTOR}/score",
    f"POST {_DETECTOR}/stream/{{asset}}",
    f"PUT {_DETECTOR}/threshold",
    f"POST {_DETECTOR}/retrain",
    f"GET {_DETECTOR}/drift",
    f"GET {_DETECTOR}/latent",
    f"GET {_DETECTOR}/report",
    f"DELETE {_DETECTOR}",
)
_NAMED = {"name": "$response.body#/name"}
_FIRST = {"name": "$response.body#/items/0/name"}
_THIS = {"name": "$request.path.name"}
_SCORED = {"name": "$response.body#/detector"}
_ACTIVATE = f"POST {_DETECTOR}/activate"
_HEALTH = "GET /api/v1/anomaly/assets/{asset}/health"
_UPLOADED = {"training": {"upload_id": "$response.body#/upload_id"}}

_TRAINED = (
    Lead(f"POST {_DETECTORS}", 202, {}, (f"GET {_DETECTORS}",)),
    Lead(f"GET {_DETECTORS}", 200, _FIRST, _OF_DETECTOR),
    Lead(f"GET {_DETECTORS}", 200, _FIRST, (_ACTIVATE,), {"version": "$response.body#/items/0/version"}),
    Lead(f"GET {_DETECTORS}", 200, {"cursor": "$response.body#/next_cursor"}, (f"GET {_DETECTORS}",)),
    Lead(f"GET {_DETECTOR}", 200, _NAMED, _OF_DETECTOR[1:]),
    Lead(f"GET {_DETECTOR}", 200, _NAMED, (_ACTIVATE,), {"version": "$response.body#/version"}),
    Lead(_ACTIVATE, 200, _NAMED, (f"GET {_DETECTOR}",)),
    Lead(f"PUT {_DETECTOR}/threshold", 200, _THIS, (f"GET {_DETECTOR}", f"POST {_DETECTOR}/score")),
    Lead(f"DELETE {_DETECTOR}", 204, _THIS, (f"GET {_DETECTOR}",)),
)
_USED = (
    Lead(f"POST {_DETECTOR}/score", 200, _SCORED, (f"GET {_DETECTOR}/drift", f"PUT {_DETECTOR}/threshold")),
    Lead(f"POST {_DETECTOR}/score", 202, {"job_id": "$response.body#/id"}, ("GET /api/v1/anomaly/scores/{job_id}",)),
    Lead(
        f"POST {_DETECTOR}/stream/{{asset}}",
        200,
        {"name": "$request.path.name", "asset": "$request.path.asset"},
        (f"GET {_DETECTOR}/drift", f"POST {_DETECTOR}/stream/{{asset}}"),
    ),
    Lead(
        f"POST {_DETECTOR}/stream/{{asset}}",
        200,
        {"asset": "$request.path.asset"},
        (_HEALTH, "GET /api/v1/anomaly/timeseries"),
    ),
    Lead("POST /api/v1/anomaly/uploads", 201, {}, (f"POST {_DETECTORS}",), _UPLOADED),
)

_COLUMNS = ["speed", "vibration"]
_TIMES = [f"2026-04-01T00:{minute:02}:00Z" for minute in range(4)]
_ROWS = [[1480.0, 2.1], [1482.5, 2.0], [1479.0, 2.2], [1510.0, 4.8]]
# Enough for a detector of two columns, and still short enough to read.
_NORMAL_ROWS = [[1480.0 + step * 7 % 12, 2.0 + step * 5 % 9 / 10] for step in range(60)]

GUIDE = Guide(
    leads=(*_TRAINED, *_USED),
    examples={
        f"POST {_DETECTORS}": {
            "name": "pump-7",
            "kind": "mahalanobis",
            "training": {
                "columns": _COLUMNS,
                "rows": _NORMAL_ROWS,
                "units": {"speed": "1/min", "vibration": "mm/s"},
            },
        },
        f"POST {_DETECTOR}/score": {"columns": _COLUMNS, "rows": _ROWS, "timestamps": _TIMES},
        f"POST {_DETECTOR}/stream/{{asset}}": {"columns": _COLUMNS, "rows": _ROWS, "timestamps": _TIMES},
        f"PUT {_DETECTOR}/threshold": {"method": "margin", "factor": 1.1},
        f"POST {_DETECTOR}/retrain": {
            "training": {"columns": _COLUMNS, "rows": _NORMAL_ROWS},
            "promote": "manual",
        },
        f"POST {_DETECTOR}/activate": {"version": 1},
    },
)
