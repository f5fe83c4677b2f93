"""Valid requests of every kind that the suite takes, in parts that can be spoiled one by one."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

HeaderList = tuple[tuple[bytes, bytes], ...]

_BOUNDARY = b"part-of-a-form"
_PROBLEM: dict[str, Any] = {
    "name": "fuzzed",
    "horizon": {"start": "2026-04-01", "end": "2026-09-30"},
    "calendar": {"weekend": ["sat", "sun"], "holidays": []},
    "areas": 1,
    "device_types": [{"type": "A", "inspection_days": 3, "class": "large"}],
    "devices": [{"id": "A1", "type": "A", "previous_end": "2026-01-15", "asset": "acme.a1"}],
    "rules": [{"rule": "daily_limit", "level": "hard", "weight": 100, "max": 1}],
}
_ROWS = [[1.0, 2.0, 3.0], [1.1, 2.1, 3.1]]
_INPUTS = {"temp": 360, "pressure": 6.0, "flow": 100}


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A request in the parts that can be spoiled one by one.

    Parameters
    ----------
    headers
        Those besides `Host`, the credential and `Content-Length`, which are put in where the request is written out.
    """

    method: bytes
    target: bytes
    headers: HeaderList = ()
    body: bytes = b""
    version: bytes = b"HTTP/1.1"

    def with_header(self, name: bytes, value: bytes) -> "RawRequest":
        """The same request with one header more."""
        return replace(self, headers=(*self.headers, (name, value)))

    def wire(self) -> bytes:
        """The request as bytes."""
        head = b"".join(name + b": " + value + b"\r\n" for name, value in self.headers)
        return self.method + b" " + self.target + b" " + self.version + b"\r\n" + head + b"\r\n" + self.body


def get(target: str) -> RawRequest:
    """A request without a body."""
    return RawRequest(b"GET", target.encode())


def send_json(method: str, target: str, document: object) -> RawRequest:
    """A request with a JSON body."""
    json_type = ((b"Content-Type", b"application/json"),)
    return RawRequest(method.encode(), target.encode(), json_type, json.dumps(document).encode())


def send_form(target: str, name: bytes, filename: bytes, content: bytes) -> RawRequest:
    """A request with a file in a multipart form."""
    disposition = b'Content-Disposition: form-data; name="%b"; filename="%b"' % (name, filename)
    body = b"--%b\r\n%b\r\n\r\n%b\r\n--%b--\r\n" % (_BOUNDARY, disposition, content, _BOUNDARY)
    form_type = ((b"Content-Type", b"multipart/form-data; boundary=" + _BOUNDARY),)
    return RawRequest(b"POST", target.encode(), form_type, body)


TWIN: Sequence[RawRequest] = (
    get("/api/v1/twin/status"),
    get("/api/v1/twin/models?limit=5&cursor=a"),
    get("/api/v1/twin/models/yield/quality"),
    get("/api/v1/twin/models/yield/experiment"),
    get("/v2/models/yield"),
    send_json("POST", "/api/v1/twin/predict?model=yield&asset=acme.r101&level=0.9&sticky_key=k", _INPUTS),
    send_json("POST", "/api/v1/twin/predict", {"temp": {"value": 360, "quality": "good"}, "pressure": 6, "flow": 9}),
    send_json("POST", "/api/v1/twin/batch?model=yield", {"inputs": [_INPUTS, {"temp": "hot"}]}),
    send_json("POST", "/api/v1/twin/observations", {"inputs": _INPUTS, "actual": 85.0, "model": "yield"}),
    send_json(
        "POST", "/api/v1/twin/observations", [{"inputs": _INPUTS, "actual": 1, "timestamp": "2026-04-01T00:00Z"}]
    ),
    send_json("PUT", "/api/v1/twin/models/yield/alert-rules", {"minimum": 1.0, "maximum": 200.0}),
    send_json(
        "PUT", "/api/v1/twin/models/yield/experiment", {"variants": [{"name": "a", "version": "1", "weight": 1}]}
    ),
    send_json("POST", "/api/v1/twin/trusted-keys", {"public_key": "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n"}),
    send_json(
        "POST",
        "/v2/models/yield/infer",
        {"inputs": [{"name": "features", "shape": [1, 3], "datatype": "FP64", "data": [360, 6, 100]}]},
    ),
    send_form("/api/v1/twin/models", b"bundle", b"b.zip", b"PK\x03\x04not really a zip archive"),
)
ANOMALY: Sequence[RawRequest] = (
    get("/api/v1/anomaly/status"),
    get("/api/v1/anomaly/detectors?limit=5"),
    get("/api/v1/anomaly/detectors/plant"),
    get("/api/v1/anomaly/detectors/plant/report?format=html"),
    get("/api/v1/anomaly/detectors/plant/drift?asset=acme.r101"),
    get("/api/v1/anomaly/assets/acme.r101/health"),
    get("/api/v1/anomaly/scores/nothing"),
    # Too few rows to train on: read and judged whole, and then no work for a worker.
    send_json("POST", "/api/v1/anomaly/detectors", {"name": "f", "training": {"columns": ["a"], "rows": [[1.0]]}}),
    send_json("POST", "/api/v1/anomaly/detectors/plant/score?asset=acme.p1", {"columns": list("abc"), "rows": _ROWS}),
    send_json(
        "POST",
        "/api/v1/anomaly/detectors/plant/stream/acme.p1",
        {"rows": _ROWS, "timestamps": ["2026-04-01T00:00:00Z", "2026-04-01T00:00:01Z"]},
    ),
    send_json("PUT", "/api/v1/anomaly/detectors/plant/threshold", {"method": "percentile", "q": 95}),
    send_json("POST", "/api/v1/anomaly/detectors/plant/retrain", {"training": {"rows": _ROWS}}),
    RawRequest(b"POST", b"/api/v1/anomaly/uploads", ((b"Content-Type", b"text/csv"),), b"a,b\n1,2\n3,4\n"),
    send_form("/api/v1/anomaly/uploads", b"file", b"rows.csv", b"a,b\n1,2\n3,4\n"),
    send_form("/api/v1/anomaly/uploads", b"file", b"rows.npz", b"PK\x03\x04no arrays"),
)
PLANNER: Sequence[RawRequest] = (
    get("/api/v1/planner/plans"),
    get("/api/v1/planner/plans/nothing.xlsx?language=en"),
    get("/api/v1/planner/plans/nothing/explanation?device=A1&month=2026-05"),
    get("/api/v1/planner/inspections?device=A1"),
    get("/api/v1/planner/template.xlsx"),
    # Longer than any search may take: read and judged whole, and then no work for a worker.
    send_json("POST", "/api/v1/planner/plans", {"problem": _PROBLEM, "termination": {"seconds": 86400}}),
    send_json("POST", "/api/v1/planner/score", {"problem": _PROBLEM, "plan": {"assignments": []}}),
    send_json("POST", "/api/v1/planner/compare", {"plans": [{"id": "a"}, {"id": "b"}], "cost_per_soft_point": 10}),
    send_json("POST", "/api/v1/planner/plans/nothing/replan", {"changes": {}, "pins": []}),
    send_json(
        "POST", "/api/v1/planner/inspections", {"device": "A1", "started": "2026-04-01", "finished": "2026-04-02"}
    ),
    send_form("/api/v1/planner/score", b"file", b"plan.xlsx", b"PK\x03\x04not really a workbook"),
)
GATEWAY: Sequence[RawRequest] = (
    get("/healthz"),
    get("/openapi.json"),
    get("/docs/start.js"),
    get("/.well-known/jwks.json"),
    get("/api/v1/auth/me"),
    get("/api/v1/users?limit=5"),
    get("/api/v1/api-keys"),
    get("/api/v1/audit?user=a&success=true&since=2026-04-01T00:00:00Z&limit=5"),
    get("/api/v1/alerts?state=open&severity=warning&asset=acme"),
    get("/api/v1/jobs?limit=5"),
    send_json("POST", "/api/v1/alerts/nothing/acknowledge", {}),
    send_json("POST", "/api/v1/jobs/nothing/cancel", {}),
    # Of the wrong form, so that hashing does not take the time of everything else.
    send_json("POST", "/api/v1/auth/login", {"username": "nobody", "password": ["not a text"]}),
    send_json("POST", "/api/v1/auth/refresh", {"refresh_token": "made-up"}),
    send_json("POST", "/api/v1/users", {"username": "f", "password": "short", "role": "viewer", "assets": ["acme"]}),
    send_json("PATCH", "/api/v1/users/nobody", {"role": "viewer", "active": True, "assets": []}),
    send_json("POST", "/api/v1/api-keys", {"name": "f", "scopes": ["read"], "expires_in_days": 0}),
    RawRequest(
        b"POST",
        b"/api/v1/auth/token",
        ((b"Content-Type", b"application/x-www-form-urlencoded"),),
        b"grant_type=password&username=nobody",
    ),
)
