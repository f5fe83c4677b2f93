"""Where answers of one service lead to another: what no service's own document can say."""

from shared.contracts.guide import Guide, Lead

_TO_JOB = ("GET /api/v1/jobs/{job_id}", "POST /api/v1/jobs/{job_id}/cancel")
_MAKE_JOBS = (
    "POST /api/v1/anomaly/detectors",
    "POST /api/v1/anomaly/detectors/{name}/retrain",
    "POST /api/v1/anomaly/detectors/{name}/score",
    "POST /api/v1/planner/plans",
    "POST /api/v1/planner/plans/{plan_id}/replan",
)
_PREDICT = ("POST /api/v1/twin/predict", "POST /api/v1/twin/batch")

SUITE_GUIDE = Guide(
    leads=(
        *(Lead(name, 202, {"job_id": "$response.body#/id"}, _TO_JOB) for name in _MAKE_JOBS),
        *(Lead(name, 200, {"request_id": "$response.body#/request_id"}, ("GET /api/v1/audit",)) for name in _PREDICT),
        Lead(
            "GET /api/v1/alerts",
            200,
            {"asset": "$response.body#/items/0/asset"},
            ("GET /api/v1/anomaly/assets/{asset}/health",),
        ),
    )
)
