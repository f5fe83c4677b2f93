"""Who may do what, written down a second time: the least role for every route of the suite.

From the words of the contract: a viewer reads; an operator also predicts, scores and acknowledges alerts; an engineer
also publishes, trains, plans and sets thresholds; an administrator also manages users, the keys of others and trust,
and reads the audit trail. `open` needs no credential, `own` needs one of any kind and reaches only what is the
caller's. It is written by hand, so that a mistake in the table of routes shows.
"""

from collections.abc import Mapping

from shared.principal import Permission, Role

OPEN, OWN = "open", "own"

_LINES = """
GET    /healthz                                                   open
GET    /readyz                                                    open
GET    /metrics                                                   open
GET    /openapi.json                                              open
GET    /                                                          open
GET    /docs                                                      open
GET    /docs/{asset}                                              open
GET    /.well-known/jwks.json                                     open
POST   /api/v1/auth/login                                         open
POST   /api/v1/auth/token                                         open
POST   /api/v1/auth/refresh                                       open
POST   /api/v1/auth/logout                                        own
GET    /api/v1/auth/me                                            own
GET    /api/v1/users                                              admin
POST   /api/v1/users                                              admin
GET    /api/v1/users/{username}                                   admin
PATCH  /api/v1/users/{username}                                   admin
DELETE /api/v1/users/{username}                                   admin
POST   /api/v1/users/{username}/password                          own
POST   /api/v1/users/{username}/second-factor                     own
DELETE /api/v1/users/{username}/second-factor                     own
POST   /api/v1/users/{username}/second-factor/confirm             own
POST   /api/v1/users/{username}/second-factor/recovery-codes      own
GET    /api/v1/identities                                         admin
PATCH  /api/v1/identities/{identity_id}                           admin
GET    /api/v1/users/{username}/sessions                          own
DELETE /api/v1/users/{username}/sessions                          own
DELETE /api/v1/users/{username}/sessions/{session_id}             own
GET    /api/v1/api-keys                                           own
POST   /api/v1/api-keys                                           own
GET    /api/v1/api-keys/{key_id}                                  own
PATCH  /api/v1/api-keys/{key_id}                                  own
DELETE /api/v1/api-keys/{key_id}                                  own
POST   /api/v1/api-keys/{key_id}/rotate                           own
GET    /api/v1/audit                                              admin
GET    /api/v1/audit/verify                                       admin
GET    /api/v1/audit/export                                       admin
GET    /api/v1/events                                             viewer
GET    /api/v1/alerts                                             viewer
POST   /api/v1/alerts/{alert_id}/acknowledge                      operator
GET    /api/v1/jobs                                               viewer
GET    /api/v1/jobs/{job_id}                                      viewer
POST   /api/v1/jobs/{job_id}/cancel                               viewer
GET    /api/v1/twin/status                                        viewer
GET    /api/v1/twin/models                                        viewer
POST   /api/v1/twin/models                                        engineer
GET    /api/v1/twin/models/{model}                                viewer
GET    /api/v1/twin/models/{model}/versions/{version}             viewer
DELETE /api/v1/twin/models/{model}/versions/{version}             engineer
POST   /api/v1/twin/models/{model}/activate                       engineer
GET    /api/v1/twin/trusted-keys                                  admin
POST   /api/v1/twin/trusted-keys                                  admin
DELETE /api/v1/twin/trusted-keys/{key_id}                         admin
GET    /api/v1/twin/models/{model}/quality                        viewer
GET    /api/v1/twin/models/{model}/experiment                     viewer
PUT    /api/v1/twin/models/{model}/experiment                     engineer
DELETE /api/v1/twin/models/{model}/experiment                     engineer
POST   /api/v1/twin/models/{model}/experiment/promote             engineer
GET    /api/v1/twin/models/{model}/alert-rules                    viewer
PUT    /api/v1/twin/models/{model}/alert-rules                    engineer
POST   /api/v1/twin/predict                                       operator
POST   /api/v1/twin/batch                                         operator
POST   /api/v1/twin/observations                                  operator
GET    /api/v1/twin/timeseries                                    viewer
GET    /v2                                                        viewer
GET    /v2/health/live                                            viewer
GET    /v2/health/ready                                           viewer
GET    /v2/models/{model}                                         viewer
GET    /v2/models/{model}/ready                                   viewer
POST   /v2/models/{model}/infer                                   operator
GET    /v2/models/{model}/versions/{version}                      viewer
GET    /v2/models/{model}/versions/{version}/ready                viewer
POST   /v2/models/{model}/versions/{version}/infer                operator
GET    /api/v1/anomaly/status                                     viewer
POST   /api/v1/anomaly/uploads                                    engineer
GET    /api/v1/anomaly/detectors                                  viewer
POST   /api/v1/anomaly/detectors                                  engineer
GET    /api/v1/anomaly/detectors/{name}                           viewer
DELETE /api/v1/anomaly/detectors/{name}                           engineer
POST   /api/v1/anomaly/detectors/{name}/score                     operator
POST   /api/v1/anomaly/detectors/{name}/stream/{asset}            operator
PUT    /api/v1/anomaly/detectors/{name}/threshold                 engineer
GET    /api/v1/anomaly/detectors/{name}/drift                     viewer
POST   /api/v1/anomaly/detectors/{name}/retrain                   engineer
POST   /api/v1/anomaly/detectors/{name}/activate                  engineer
GET    /api/v1/anomaly/detectors/{name}/latent                    viewer
GET    /api/v1/anomaly/detectors/{name}/report                    viewer
GET    /api/v1/anomaly/scores/{job_id}                            viewer
GET    /api/v1/anomaly/assets/{asset}/health                      viewer
GET    /api/v1/anomaly/timeseries                                 viewer
GET    /api/v1/planner/plans                                      viewer
POST   /api/v1/planner/plans                                      engineer
GET    /api/v1/planner/plans/{plan}                               viewer
GET    /api/v1/planner/plans/{plan}/progress                      viewer
POST   /api/v1/planner/plans/{plan}/stop                          engineer
GET    /api/v1/planner/plans/{plan}/explanation                   viewer
POST   /api/v1/planner/plans/{plan}/replan                        engineer
POST   /api/v1/planner/score                                      operator
POST   /api/v1/planner/compare                                    operator
GET    /api/v1/planner/inspections                                viewer
POST   /api/v1/planner/inspections                                engineer
GET    /api/v1/planner/template.xlsx                              viewer
"""

EXPECTED: Mapping[tuple[str, str], str] = {
    (method, path): least for method, path, least in (line.split() for line in _LINES.strip().splitlines())
}
"""The least role for each method and path, or `open`, or `own`."""

_READS = frozenset({Permission.READ})
_OPERATES = _READS | {Permission.PREDICT, Permission.SCORE, Permission.ACKNOWLEDGE}
_ENGINEERS = _OPERATES | {Permission.PUBLISH, Permission.TRAIN, Permission.PLAN, Permission.SET_THRESHOLD}
_ADMINISTERS = _ENGINEERS | {Permission.MANAGE_USERS, Permission.MANAGE_KEYS, Permission.READ_AUDIT}
EXPECTED_PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.VIEWER: _READS,
    Role.OPERATOR: _OPERATES,
    Role.ENGINEER: _ENGINEERS,
    Role.ADMIN: _ADMINISTERS,
}
"""What each role holds."""

_ORDER = (Role.VIEWER, Role.OPERATOR, Role.ENGINEER, Role.ADMIN)


def expected_to_pass(method: str, path: str, role: Role) -> bool:
    """Whether a user of this role is let through to the route."""
    least = EXPECTED[method, path]
    return least in {OPEN, OWN} or _ORDER.index(role) >= _ORDER.index(Role(least))
