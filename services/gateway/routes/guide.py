"""What the gateway's document says for those who use it: bodies that are accepted, and where an answer leads."""

from shared.contracts.guide import Guide, Lead

_OF_USER = (
    "GET /api/v1/users/{username}",
    "PATCH /api/v1/users/{username}",
    "POST /api/v1/users/{username}/password",
    "DELETE /api/v1/users/{username}/second-factor",
    "GET /api/v1/users/{username}/sessions",
    "DELETE /api/v1/users/{username}/sessions",
    "DELETE /api/v1/users/{username}",
)
_OF_ONESELF = (
    "GET /api/v1/users/{username}",
    "POST /api/v1/users/{username}/second-factor",
    "GET /api/v1/users/{username}/sessions",
)
_OF_KEY = (
    "GET /api/v1/api-keys/{key_id}",
    "PATCH /api/v1/api-keys/{key_id}",
    "POST /api/v1/api-keys/{key_id}/rotate",
    "DELETE /api/v1/api-keys/{key_id}",
)
_OF_JOB = ("GET /api/v1/jobs/{job_id}", "POST /api/v1/jobs/{job_id}/cancel")
_LISTS = (
    "GET /api/v1/users",
    "GET /api/v1/api-keys",
    "GET /api/v1/audit",
    "GET /api/v1/audit/verify",
    "GET /api/v1/identities",
    "GET /api/v1/alerts",
    "GET /api/v1/jobs",
)
_NEXT = {"cursor": "$response.body#/next_cursor"}
_NAMED = {"username": "$response.body#/username"}
_THIS_USER = {"username": "$request.path.username"}

_USERS = (
    Lead("POST /api/v1/users", 201, _NAMED, _OF_USER),
    Lead("GET /api/v1/users", 200, {"username": "$response.body#/items/0/username"}, _OF_USER),
    Lead("GET /api/v1/users/{username}", 200, _NAMED, _OF_USER[1:]),
    Lead("PATCH /api/v1/users/{username}", 200, _NAMED, _OF_USER[:1]),
    Lead("POST /api/v1/users/{username}/password", 204, _THIS_USER, _OF_USER[4:5]),
    Lead("DELETE /api/v1/users/{username}", 204, _THIS_USER, _OF_USER[:1]),
    Lead("POST /api/v1/users", 201, {"user": "$response.body#/username"}, ("GET /api/v1/audit",)),
    Lead("POST /api/v1/users", 201, {}, ("POST /api/v1/api-keys",), {"owner": "$response.body#/username"}),
)
_SESSIONS = (
    Lead(
        "POST /api/v1/auth/login",
        200,
        {},
        ("POST /api/v1/auth/refresh",),
        {"refresh_token": "$response.body#/refresh_token"},
    ),
    Lead(
        "POST /api/v1/auth/refresh",
        200,
        {},
        ("POST /api/v1/auth/refresh",),
        {"refresh_token": "$response.body#/refresh_token"},
    ),
    Lead("GET /api/v1/auth/me", 200, {"username": "$response.body#/user"}, _OF_ONESELF),
    Lead("GET /api/v1/auth/me", 200, {"owner": "$response.body#/user"}, ("GET /api/v1/api-keys",)),
    Lead(
        "GET /api/v1/users/{username}/sessions",
        200,
        {"username": "$request.path.username", "session_id": "$response.body#/items/0/id"},
        ("DELETE /api/v1/users/{username}/sessions/{session_id}",),
    ),
    Lead(
        "DELETE /api/v1/users/{username}/sessions/{session_id}",
        204,
        _THIS_USER,
        ("GET /api/v1/users/{username}/sessions",),
    ),
    Lead(
        "DELETE /api/v1/users/{username}/sessions",
        204,
        _THIS_USER,
        ("GET /api/v1/users/{username}/sessions",),
    ),
    Lead(
        "POST /api/v1/users/{username}/second-factor",
        200,
        _THIS_USER,
        ("POST /api/v1/users/{username}/second-factor/confirm",),
    ),
    Lead(
        "POST /api/v1/users/{username}/second-factor/confirm",
        200,
        _THIS_USER,
        (
            "POST /api/v1/users/{username}/second-factor/recovery-codes",
            "DELETE /api/v1/users/{username}/second-factor",
        ),
    ),
)
_KEYS = (
    Lead("POST /api/v1/api-keys", 201, {"key_id": "$response.body#/id"}, _OF_KEY),
    Lead("GET /api/v1/api-keys", 200, {"key_id": "$response.body#/items/0/id"}, _OF_KEY),
    Lead("PATCH /api/v1/api-keys/{key_id}", 200, {"key_id": "$response.body#/id"}, _OF_KEY[2:]),
    Lead("POST /api/v1/api-keys/{key_id}/rotate", 200, {"key_id": "$response.body#/id"}, (_OF_KEY[1], _OF_KEY[3])),
)
_RECORDS = (
    Lead(
        "GET /api/v1/alerts",
        200,
        {"alert_id": "$response.body#/items/0/id"},
        ("POST /api/v1/alerts/{alert_id}/acknowledge",),
    ),
    Lead(
        "POST /api/v1/alerts/{alert_id}/acknowledge",
        200,
        {"alert_id": "$response.body#/id"},
        ("POST /api/v1/alerts/{alert_id}/acknowledge",),
    ),
    Lead("GET /api/v1/jobs", 200, {"job_id": "$response.body#/items/0/id"}, _OF_JOB),
    Lead("GET /api/v1/jobs/{job_id}", 200, {"job_id": "$response.body#/id"}, _OF_JOB[1:]),
    Lead("POST /api/v1/jobs/{job_id}/cancel", 200, {"job_id": "$response.body#/id"}, _OF_JOB[:1]),
    Lead(
        "GET /api/v1/identities",
        200,
        {"identity_id": "$response.body#/items/0/id"},
        ("PATCH /api/v1/identities/{identity_id}",),
    ),
    Lead(
        "GET /api/v1/audit",
        200,
        {"user": "$response.body#/items/0/user", "action": "$response.body#/items/0/action"},
        ("GET /api/v1/audit/export",),
    ),
)

GUIDE = Guide(
    leads=(
        *_USERS,
        *_SESSIONS,
        *_KEYS,
        *_RECORDS,
        *(Lead(name, 200, _NEXT, (name,)) for name in _LISTS),
    ),
    examples={
        "POST /api/v1/auth/login": {"username": "m.tanaka", "password": "seven quiet herons at dawn"},
        "POST /api/v1/users": {
            "username": "m.tanaka",
            "password": "seven quiet herons at dawn",
            "role": "operator",
            "assets": ["acme.osaka"],
        },
        "PATCH /api/v1/users/{username}": {"role": "engineer", "assets": ["acme.osaka", "acme.kobe"]},
        "POST /api/v1/users/{username}/password": {"new_password": "four kettles under the pier"},
        "POST /api/v1/api-keys": {
            "name": "line 3 SCADA",
            "scopes": ["read", "predict"],
            "assets": ["acme.osaka.line3"],
            "expires_in_days": 90,
            "networks": ["192.0.2.0/24"],
            "limit": {"requests_per_hour": 36000, "burst": 100},
        },
        "PATCH /api/v1/api-keys/{key_id}": {"name": "line 3 SCADA, spare", "active": False},
        "POST /api/v1/api-keys/{key_id}/rotate": {"overlap_s": 3600},
        "PATCH /api/v1/identities/{identity_id}": {"active": False},
    },
)
