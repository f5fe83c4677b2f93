"""Every route of the suite: method, path, what it needs and who answers."""

from services.gateway.domain.access import AccessTable, Entry, Needs, Route, Service
from shared.principal import Permission

_OWN: tuple[tuple[str, str, Needs], ...] = (
    ("GET", "/healthz", Entry.OPEN),
    ("GET", "/readyz", Entry.OPEN),
    ("GET", "/metrics", Entry.OPEN),
    ("GET", "/openapi.json", Entry.OPEN),
    ("GET", "/", Entry.OPEN),
    ("GET", "/docs", Entry.OPEN),
    ("GET", "/docs/{asset}", Entry.OPEN),
    ("GET", "/.well-known/jwks.json", Entry.OPEN),
    ("POST", "/api/v1/auth/login", Entry.OPEN),
    ("POST", "/api/v1/auth/token", Entry.OPEN),
    ("POST", "/api/v1/auth/refresh", Entry.OPEN),
    ("POST", "/api/v1/auth/logout", Entry.SIGNED_IN),
    ("GET", "/api/v1/auth/me", Entry.SIGNED_IN),
    ("GET", "/api/v1/users", Permission.MANAGE_USERS),
    ("POST", "/api/v1/users", Permission.MANAGE_USERS),
    ("GET", "/api/v1/users/{username}", Permission.MANAGE_USERS),
    ("PATCH", "/api/v1/users/{username}", Permission.MANAGE_USERS),
    ("DELETE", "/api/v1/users/{username}", Permission.MANAGE_USERS),
    # Everybody changes their own password, and manages their own keys: the use cases tell own from foreign.
    ("POST", "/api/v1/users/{username}/password", Entry.SIGNED_IN),
    ("GET", "/api/v1/users/{username}/sessions", Entry.SIGNED_IN),
    ("DELETE", "/api/v1/users/{username}/sessions", Entry.SIGNED_IN),
    ("DELETE", "/api/v1/users/{username}/sessions/{session_id}", Entry.SIGNED_IN),
    ("POST", "/api/v1/users/{username}/second-factor", Entry.SIGNED_IN),
    ("DELETE", "/api/v1/users/{username}/second-factor", Entry.SIGNED_IN),
    ("POST", "/api/v1/users/{username}/second-factor/confirm", Entry.SIGNED_IN),
    ("POST", "/api/v1/users/{username}/second-factor/recovery-codes", Entry.SIGNED_IN),
    ("GET", "/api/v1/api-keys", Entry.SIGNED_IN),
    ("POST", "/api/v1/api-keys", Entry.SIGNED_IN),
    ("GET", "/api/v1/api-keys/{key_id}", Entry.SIGNED_IN),
    ("PATCH", "/api/v1/api-keys/{key_id}", Entry.SIGNED_IN),
    ("DELETE", "/api/v1/api-keys/{key_id}", Entry.SIGNED_IN),
    ("POST", "/api/v1/api-keys/{key_id}/rotate", Entry.SIGNED_IN),
    ("GET", "/api/v1/identities", Permission.MANAGE_USERS),
    ("PATCH", "/api/v1/identities/{identity_id}", Permission.MANAGE_USERS),
    ("GET", "/api/v1/audit", Permission.READ_AUDIT),
    ("GET", "/api/v1/audit/export", Permission.READ_AUDIT),
    ("GET", "/api/v1/audit/verify", Permission.READ_AUDIT),
    ("GET", "/api/v1/alerts", Permission.READ),
    ("POST", "/api/v1/alerts/{alert_id}/acknowledge", Permission.ACKNOWLEDGE),
    ("GET", "/api/v1/events", Permission.READ),
    ("GET", "/api/v1/jobs", Permission.READ),
    ("GET", "/api/v1/jobs/{job_id}", Permission.READ),
    ("POST", "/api/v1/jobs/{job_id}/cancel", Permission.READ),
)

_TWIN: tuple[tuple[str, str, Needs], ...] = (
    ("GET", "/status", Permission.READ),
    ("GET", "/models", Permission.READ),
    ("POST", "/models", Permission.PUBLISH),
    ("GET", "/models/{model}", Permission.READ),
    ("GET", "/models/{model}/versions/{version}", Permission.READ),
    ("DELETE", "/models/{model}/versions/{version}", Permission.PUBLISH),
    ("POST", "/models/{model}/activate", Permission.PUBLISH),
    ("GET", "/trusted-keys", Permission.MANAGE_KEYS),
    ("POST", "/trusted-keys", Permission.MANAGE_KEYS),
    ("DELETE", "/trusted-keys/{key_id}", Permission.MANAGE_KEYS),
    ("GET", "/models/{model}/quality", Permission.READ),
    ("GET", "/models/{model}/experiment", Permission.READ),
    ("PUT", "/models/{model}/experiment", Permission.PUBLISH),
    ("DELETE", "/models/{model}/experiment", Permission.PUBLISH),
    ("POST", "/models/{model}/experiment/promote", Permission.PUBLISH),
    ("GET", "/models/{model}/alert-rules", Permission.READ),
    ("PUT", "/models/{model}/alert-rules", Permission.SET_THRESHOLD),
    ("POST", "/predict", Permission.PREDICT),
    ("POST", "/batch", Permission.PREDICT),
    ("POST", "/observations", Permission.PREDICT),
    ("GET", "/timeseries", Permission.READ),
)

# Open Inference Protocol v2, which KServe and Triton clients speak.
_INFERENCE: tuple[tuple[str, str, Needs], ...] = (
    ("GET", "", Permission.READ),
    ("GET", "/health/live", Permission.READ),
    ("GET", "/health/ready", Permission.READ),
    ("GET", "/models/{model}", Permission.READ),
    ("GET", "/models/{model}/ready", Permission.READ),
    ("POST", "/models/{model}/infer", Permission.PREDICT),
    ("GET", "/models/{model}/versions/{version}", Permission.READ),
    ("GET", "/models/{model}/versions/{version}/ready", Permission.READ),
    ("POST", "/models/{model}/versions/{version}/infer", Permission.PREDICT),
)

_ANOMALY: tuple[tuple[str, str, Needs], ...] = (
    ("GET", "/status", Permission.READ),
    ("POST", "/uploads", Permission.TRAIN),
    ("GET", "/detectors", Permission.READ),
    ("POST", "/detectors", Permission.TRAIN),
    ("GET", "/detectors/{name}", Permission.READ),
    ("DELETE", "/detectors/{name}", Permission.TRAIN),
    ("POST", "/detectors/{name}/score", Permission.SCORE),
    ("POST", "/detectors/{name}/stream/{asset}", Permission.SCORE),
    ("PUT", "/detectors/{name}/threshold", Permission.SET_THRESHOLD),
    ("GET", "/detectors/{name}/drift", Permission.READ),
    ("POST", "/detectors/{name}/retrain", Permission.TRAIN),
    ("POST", "/detectors/{name}/activate", Permission.TRAIN),
    ("GET", "/detectors/{name}/latent", Permission.READ),
    ("GET", "/detectors/{name}/report", Permission.READ),
    ("GET", "/scores/{job_id}", Permission.READ),
    ("GET", "/assets/{asset}/health", Permission.READ),
    ("GET", "/timeseries", Permission.READ),
)

_PLANNER: tuple[tuple[str, str, Needs], ...] = (
    ("GET", "/plans", Permission.READ),
    ("POST", "/plans", Permission.PLAN),
    # `{plan}` also matches `<id>.xlsx`, `.csv`, `.html` and `.ics`.
    ("GET", "/plans/{plan}", Permission.READ),
    ("GET", "/plans/{plan}/progress", Permission.READ),
    ("POST", "/plans/{plan}/stop", Permission.PLAN),
    ("GET", "/plans/{plan}/explanation", Permission.READ),
    ("POST", "/plans/{plan}/replan", Permission.PLAN),
    ("POST", "/score", Permission.SCORE),
    ("POST", "/compare", Permission.SCORE),
    ("GET", "/inspections", Permission.READ),
    ("POST", "/inspections", Permission.PLAN),
    ("GET", "/template.xlsx", Permission.READ),
)

_UPLOADS = frozenset({("POST", "/api/v1/twin/models"), ("POST", "/api/v1/anomaly/uploads")})

_SERVICES: tuple[tuple[Service, str, tuple[tuple[str, str, Needs], ...]], ...] = (
    (Service.GATEWAY, "", _OWN),
    (Service.TWIN, "/api/v1/twin", _TWIN),
    (Service.TWIN, "/v2", _INFERENCE),
    (Service.ANOMALY, "/api/v1/anomaly", _ANOMALY),
    (Service.PLANNER, "/api/v1/planner", _PLANNER),
)


def suite_routes() -> AccessTable:
    """Make the table of the whole suite."""
    return AccessTable(
        Route(method, prefix + path, needs, service, upload=(method, prefix + path) in _UPLOADS)
        for service, prefix, lines in _SERVICES
        for method, path, needs in lines
    )
