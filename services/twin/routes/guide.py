"""What the twin's document says for those who use it: bodies that are accepted, and where an answer leads."""

from shared.contracts.guide import Guide, Lead
from shared.errors import JSON

_MODEL = "/api/v1/twin/models/{model}"
_OF_MODEL = (
    f"GET {_MODEL}",
    f"GET {_MODEL}/alert-rules",
    f"PUT {_MODEL}/alert-rules",
    f"GET {_MODEL}/quality",
    f"PUT {_MODEL}/experiment",
    "POST /api/v1/twin/predict",
    "POST /api/v1/twin/batch",
    "GET /v2/models/{model}",
    "GET /v2/models/{model}/ready",
    "POST /v2/models/{model}/infer",
)
_OF_VERSION = (
    f"GET {_MODEL}/versions/{{version}}",
    "GET /v2/models/{model}/versions/{version}",
    "GET /v2/models/{model}/versions/{version}/ready",
    "POST /v2/models/{model}/versions/{version}/infer",
)
_WITHDRAW = f"DELETE {_MODEL}/versions/{{version}}"
_NAMED = {"model": "$response.body#/name"}
_FIRST = {"model": "$response.body#/items/0/name"}
_THIS = {"model": "$request.path.model"}
_THIS_VERSION = {**_THIS, "version": "$request.path.version"}
_VERSION = {**_NAMED, "version": "$response.body#/version"}
_FIRST_VERSION = {**_FIRST, "version": "$response.body#/items/0/version"}
_CHOSEN = {"version": "$response.body#/version"}

_MODELS = (
    Lead("GET /api/v1/twin/models", 200, _FIRST, _OF_MODEL),
    Lead("GET /api/v1/twin/models", 200, _FIRST_VERSION, _OF_VERSION),
    Lead("GET /api/v1/twin/models", 200, {"cursor": "$response.body#/next_cursor"}, ("GET /api/v1/twin/models",)),
    Lead("GET /api/v1/twin/status", 200, {"model": "$response.body#/models/0/name"}, _OF_MODEL[:1]),
    Lead("POST /api/v1/twin/models", 201, _NAMED, _OF_MODEL),
    Lead("POST /api/v1/twin/models", 201, _VERSION, (*_OF_VERSION, _WITHDRAW)),
    Lead("POST /api/v1/twin/models", 201, _NAMED, (f"POST {_MODEL}/activate",), _CHOSEN),
    Lead(f"GET {_MODEL}", 200, _NAMED, _OF_MODEL[1:]),
    Lead(f"GET {_MODEL}", 200, _VERSION, _OF_VERSION),
    Lead(f"GET {_MODEL}/versions/{{version}}", 200, _VERSION, (*_OF_VERSION[1:], _WITHDRAW)),
    Lead(f"GET {_MODEL}/versions/{{version}}", 200, _NAMED, (f"POST {_MODEL}/activate",), _CHOSEN),
    Lead(f"POST {_MODEL}/activate", 200, _NAMED, (f"GET {_MODEL}",)),
    Lead(_WITHDRAW, 204, _THIS, (f"GET {_MODEL}",)),
    Lead(_WITHDRAW, 204, _THIS_VERSION, (f"GET {_MODEL}/versions/{{version}}",)),
)
_LIVE = (
    Lead(f"PUT {_MODEL}/alert-rules", 200, _THIS, (f"GET {_MODEL}/alert-rules",)),
    Lead(
        "POST /api/v1/twin/predict",
        200,
        {"model": "$response.body#/model"},
        (f"GET {_MODEL}/quality", "GET /api/v1/twin/timeseries"),
    ),
    Lead(
        "POST /api/v1/twin/predict",
        200,
        {"model": "$response.body#/model", "version": "$response.body#/version"},
        (f"GET {_MODEL}/versions/{{version}}",),
    ),
    Lead("POST /api/v1/twin/observations", 200, {"model": "$response.body#/model"}, (f"GET {_MODEL}/quality",)),
    Lead("GET /v2/models/{model}", 200, _NAMED, ("GET /v2/models/{model}/ready", "POST /v2/models/{model}/infer")),
)
_EXPERIMENTS = (
    Lead(
        f"PUT {_MODEL}/experiment",
        200,
        {"model": "$response.body#/model"},
        (f"GET {_MODEL}/experiment", f"DELETE {_MODEL}/experiment", "POST /api/v1/twin/predict"),
    ),
    *(
        Lead(
            f"{method} {_MODEL}/experiment",
            200,
            {"model": "$response.body#/model"},
            (f"POST {_MODEL}/experiment/promote",),
            {"variant": "$response.body#/variants/0/name"},
        )
        for method in ("PUT", "GET")
    ),
    Lead(f"POST {_MODEL}/experiment/promote", 200, _NAMED, (f"GET {_MODEL}", f"GET {_MODEL}/experiment")),
    Lead(f"DELETE {_MODEL}/experiment", 204, _THIS, (f"GET {_MODEL}/experiment",)),
)
_TRUSTED_KEYS = (
    Lead(
        "GET /api/v1/twin/trusted-keys",
        200,
        {"key_id": "$response.body#/items/0/key_id"},
        ("DELETE /api/v1/twin/trusted-keys/{key_id}",),
    ),
    Lead(
        "POST /api/v1/twin/trusted-keys",
        201,
        {"key_id": "$response.body#/key_id"},
        ("DELETE /api/v1/twin/trusted-keys/{key_id}",),
    ),
)

_INPUT = {"temp": 361.5, "pressure": 6.1, "flow": 101.2}
_TENSORS: dict[str, JSON] = {
    "id": "shift-2",
    "inputs": [{"name": "rows", "datatype": "FP64", "shape": [1, 3], "data": [361.5, 6.1, 101.2]}],
}

GUIDE = Guide(
    leads=(*_MODELS, *_LIVE, *_EXPERIMENTS, *_TRUSTED_KEYS),
    examples={
        "POST /api/v1/twin/predict": _INPUT,
        "POST /api/v1/twin/batch": {"inputs": [_INPUT, {**_INPUT, "temp": 358.0}]},
        f"POST {_MODEL}/activate": {"version": "1.0.0"},
        f"PUT {_MODEL}/alert-rules": {"minimum": 70.0, "maximum": 99.0, "hysteresis": 0.5, "severity": "warning"},
        f"PUT {_MODEL}/experiment": {
            "variants": [
                {"name": "current", "version": "1.0.0", "weight": 9.0},
                {"name": "candidate", "version": "1.1.0", "weight": 1.0},
            ],
            "sticky": "key",
        },
        f"POST {_MODEL}/experiment/promote": {"variant": "candidate"},
        "POST /v2/models/{model}/infer": _TENSORS,
        "POST /v2/models/{model}/versions/{version}/infer": _TENSORS,
        "POST /api/v1/twin/trusted-keys": {
            "public_key": "-----BEGIN PUBLIC KEY-----\n"
            # Nobody has its private key any more: whoever sends the example trusts nobody new.
            "MCowBQYDK2VwAyEACgEmy9tcyCKg4VtFSWkuN09R/n+Pby+Qx2qkf3q81lE=\n"
            "-----END PUBLIC KEY-----\n"
        },
    },
)
