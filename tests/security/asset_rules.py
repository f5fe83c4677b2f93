"""What a limit to some assets means on each route, and the page of the documentation that says so.

`python -m tests.security.asset_rules` writes the page anew.
"""

from collections.abc import Mapping
from enum import Enum
from pathlib import Path

from services.gateway.domain.access import Entry
from services.gateway.domain.routes_table import suite_routes
from tests.security.expected_access import EXPECTED

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "authorisation.md"


class Rule(Enum):
    """How assets and owners decide, beside the permission."""

    NAMED = "the request names the asset: out of reach, or none named, is a 403"
    STORED = "what is asked for is about assets: out of reach is a 403, or a 404 where its being there is telling"
    LISTED = "entries about assets out of reach are left out"
    OWNED = "one's own; engineers and administrators who are not limited to assets have everybody's; else a 404"
    ACCOUNT = "one's own, or all for administrators; who is limited to assets sees and changes none that reach further"
    SHARED = "belongs to the whole installation and to no asset: the permission alone decides"
    NONE = "nothing about assets"


_RULES: Mapping[Rule, tuple[str, ...]] = {
    Rule.NAMED: (
        "POST /api/v1/twin/predict", "POST /api/v1/twin/batch", "POST /api/v1/twin/observations",
        "POST /v2/models/{model}/infer", "POST /v2/models/{model}/versions/{version}/infer",
        "POST /api/v1/anomaly/detectors/{name}/score", "POST /api/v1/anomaly/detectors/{name}/stream/{asset}",
        "GET /api/v1/anomaly/detectors/{name}/drift", "GET /api/v1/anomaly/assets/{asset}/health",
        "POST /api/v1/planner/plans", "POST /api/v1/planner/score", "POST /api/v1/planner/inspections",
        "GET /api/v1/twin/timeseries", "GET /api/v1/anomaly/timeseries",
    ),
    Rule.STORED: (
        "POST /api/v1/alerts/{alert_id}/acknowledge",
        "GET /api/v1/planner/plans/{plan}", "GET /api/v1/planner/plans/{plan}/progress",
        "POST /api/v1/planner/plans/{plan}/stop", "GET /api/v1/planner/plans/{plan}/explanation",
        "POST /api/v1/planner/plans/{plan}/replan", "POST /api/v1/planner/compare",
    ),
    Rule.LISTED: (
        "GET /api/v1/alerts", "GET /api/v1/events", "GET /api/v1/planner/plans", "GET /api/v1/planner/inspections",
        "GET /api/v1/anomaly/detectors/{name}",
    ),
    Rule.OWNED: (
        "GET /api/v1/jobs", "GET /api/v1/jobs/{job_id}", "POST /api/v1/jobs/{job_id}/cancel",
        "GET /api/v1/anomaly/scores/{job_id}",
    ),
    Rule.ACCOUNT: (
        "GET /api/v1/users", "POST /api/v1/users", "GET /api/v1/users/{username}", "PATCH /api/v1/users/{username}",
        "DELETE /api/v1/users/{username}", "POST /api/v1/users/{username}/password",
        "GET /api/v1/users/{username}/sessions", "DELETE /api/v1/users/{username}/sessions",
        "DELETE /api/v1/users/{username}/sessions/{session_id}", "POST /api/v1/users/{username}/second-factor",
        "DELETE /api/v1/users/{username}/second-factor", "POST /api/v1/users/{username}/second-factor/confirm",
        "POST /api/v1/users/{username}/second-factor/recovery-codes", "GET /api/v1/identities",
        "PATCH /api/v1/identities/{identity_id}", "GET /api/v1/api-keys", "POST /api/v1/api-keys",
        "GET /api/v1/api-keys/{key_id}", "PATCH /api/v1/api-keys/{key_id}", "DELETE /api/v1/api-keys/{key_id}",
        "POST /api/v1/api-keys/{key_id}/rotate", "GET /api/v1/audit", "GET /api/v1/audit/export",
    ),
    Rule.SHARED: (
        "GET /api/v1/audit/verify", "GET /api/v1/twin/status", "GET /api/v1/twin/models", "POST /api/v1/twin/models",
        "GET /api/v1/twin/models/{model}", "GET /api/v1/twin/models/{model}/versions/{version}",
        "DELETE /api/v1/twin/models/{model}/versions/{version}", "POST /api/v1/twin/models/{model}/activate",
        "GET /api/v1/twin/trusted-keys", "POST /api/v1/twin/trusted-keys",
        "DELETE /api/v1/twin/trusted-keys/{key_id}", "GET /api/v1/twin/models/{model}/quality",
        "GET /api/v1/twin/models/{model}/experiment", "PUT /api/v1/twin/models/{model}/experiment",
        "DELETE /api/v1/twin/models/{model}/experiment", "POST /api/v1/twin/models/{model}/experiment/promote",
        "GET /api/v1/twin/models/{model}/alert-rules", "PUT /api/v1/twin/models/{model}/alert-rules",
        "GET /v2", "GET /v2/health/live", "GET /v2/health/ready", "GET /v2/models/{model}",
        "GET /v2/models/{model}/ready", "GET /v2/models/{model}/versions/{version}",
        "GET /v2/models/{model}/versions/{version}/ready", "GET /api/v1/anomaly/status",
        "POST /api/v1/anomaly/uploads", "GET /api/v1/anomaly/detectors", "POST /api/v1/anomaly/detectors",
        "DELETE /api/v1/anomaly/detectors/{name}", "PUT /api/v1/anomaly/detectors/{name}/threshold",
        "POST /api/v1/anomaly/detectors/{name}/retrain", "POST /api/v1/anomaly/detectors/{name}/activate",
        "GET /api/v1/anomaly/detectors/{name}/latent", "GET /api/v1/anomaly/detectors/{name}/report",
        "GET /api/v1/planner/template.xlsx",
    ),
    Rule.NONE: (
        "GET /healthz", "GET /readyz", "GET /metrics", "GET /openapi.json", "GET /", "GET /docs",
        "GET /docs/{asset}", "GET /.well-known/jwks.json", "POST /api/v1/auth/login", "POST /api/v1/auth/token",
        "POST /api/v1/auth/refresh", "POST /api/v1/auth/logout", "GET /api/v1/auth/me",
    ),
}  # fmt: skip
RULES: Mapping[str, Rule] = {route: rule for rule, routes in _RULES.items() for route in routes}
"""The rule of each `METHOD path`."""

_ABOVE = """# Authorisation

Every route of the suite, with what it asks for. What does not stand here is refused, whoever asks. The gateway checks
the permission at its door, and each service again, by the signed identity that the gateway hands on. Three tests hold
the table to the running code: `tests/integration/gateway/test_access_matrix.py` asks for every route as every role, as
nobody, with a key of one scope, as a disabled user and with an expired token;
`tests/contract/test_service_permissions.py` does so at each service's own port; `tests/contract/test_asset_scope.py`
asks as a caller limited to one subtree.

A permission belongs to a role ([roles](gateway.md#roles)); an API key has those of its scopes that its owner's role
has too. `own` stands for any credential that counts, on what is the caller's; `open` for none at all.

## Limited to some assets

A user or a key that is limited to subtrees reaches an asset that lies in one of them, and nothing else. Leaving the
asset out does not widen that: a request that could name one and does not is refused.

| rule | meaning |
|---|---|
"""
_BELOW = """
Models, detectors, their limits and alert rules serve every asset. Whoever may publish, train or set thresholds changes
them for all, limited to some assets or not: give these permissions to people whom the whole installation may trust.

An administrator who is limited to assets sees the users, sessions and keys that reach no further, and reads in the
audit trail what those users and the administrator did. Identities of providers are for those who are not limited:
which assets one of them reaches is said anew by each token.

An upload is for whoever sent it, and for engineers and administrators who are not limited to assets; to anybody else
a request that names it is answered as if there were none.

## Every route

| method | path | needs | least role | assets and owners |
|---|---|---|---|---|
"""


def page() -> str:
    """The page, as it is committed."""
    rules = "".join(f"| {rule.name.lower()} | {rule.value} |\n" for rule in Rule)
    lines = []
    for route in suite_routes().routes:
        least = EXPECTED[route.method, route.pattern]
        needs = "" if isinstance(route.needs, Entry) else f"`{route.needs.value}`"
        rule = RULES[f"{route.method} {route.pattern}"].name.lower()
        lines.append(f"| {route.method} | `{route.pattern}` | {needs} | {least} | {rule} |\n")
    return _ABOVE + rules + _BELOW + "".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
