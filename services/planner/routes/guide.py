"""What the planner's document says for those who use it: bodies that are accepted, and where an answer leads."""

from shared.contracts.guide import Guide, Lead
from shared.errors import JSON

_PLANS = "/api/v1/planner/plans"
_PLAN = f"{_PLANS}/{{plan_id}}"
_INSPECTIONS = "/api/v1/planner/inspections"
_OF_PLAN = (
    f"GET {_PLAN}",
    f"GET {_PLAN}.{{form}}",
    f"GET {_PLAN}/explanation",
    f"GET {_PLAN}/progress",
    f"POST {_PLAN}/replan",
    f"POST {_PLAN}/stop",
)
_MADE = {"plan_id": "$response.body#/id"}
_FIRST = {"plan_id": "$response.body#/items/0/id"}
_NEXT = {"cursor": "$response.body#/next_cursor"}
_LAST_TWO = {"plans": [{"id": "$response.body#/items/1/id"}, {"id": "$response.body#/items/0/id"}]}

_LEADS = (
    Lead(f"POST {_PLANS}", 202, _MADE, _OF_PLAN),
    Lead(f"GET {_PLANS}", 200, _FIRST, _OF_PLAN),
    Lead(f"GET {_PLANS}", 200, _NEXT, (f"GET {_PLANS}",)),
    Lead(f"GET {_PLANS}", 200, {}, ("POST /api/v1/planner/compare",), _LAST_TWO),
    Lead(f"GET {_PLAN}", 200, _MADE, _OF_PLAN[1:]),
    Lead(f"POST {_PLAN}/replan", 202, _MADE, _OF_PLAN[:1]),
    Lead(f"POST {_PLAN}/stop", 202, _MADE, _OF_PLAN[:1]),
    Lead(f"POST {_INSPECTIONS}", 201, {"device": "$response.body#/device"}, (f"GET {_INSPECTIONS}",)),
    Lead(f"GET {_INSPECTIONS}", 200, _NEXT, (f"GET {_INSPECTIONS}",)),
)

_PROBLEM: dict[str, JSON] = {
    "name": "FY2027",
    "horizon": {"start": "2027-04-01", "end": "2027-09-30"},
    "calendar": {"country": "JP"},
    "device_types": [{"type": "A", "inspection_days": 10, "class": "large"}],
    "devices": [
        {"id": "A01", "type": "A", "previous_end": "2025-02-14"},
        {"id": "A02", "type": "A", "previous_end": "2025-03-07"},
    ],
    "rules": [
        {"rule": "daily_limit", "level": "hard", "weight": 100, "max": 1},
        {"rule": "area_exclusive", "level": "hard", "weight": 100},
        {"rule": "return_limit", "level": "hard", "weight": 1, "days": 900},
        {"rule": "same_type_spacing", "level": "soft", "weight": 10, "days": 14},
        {"rule": "return_interval", "level": "soft", "weight": 1, "days": 900},
    ],
}
_BY_HAND: dict[str, JSON] = {
    "assignments": [
        {"device": "A01", "start": "2027-07-20", "area": 1},
        {"device": "A02", "start": "2027-08-17", "area": 1},
    ]
}
_EARLIER: dict[str, JSON] = {
    "assignments": [
        {"device": "A01", "start": "2027-06-01", "area": 1},
        {"device": "A02", "start": "2027-07-01", "area": 1},
    ]
}
_LIMITS: dict[str, JSON] = {"seconds": 5, "unimproved_seconds": 1}

GUIDE = Guide(
    leads=_LEADS,
    examples={
        f"POST {_PLANS}": {"problem": _PROBLEM, "solver": {"threads": 1}, "termination": _LIMITS},
        f"POST {_PLAN}/replan": {
            "changes": {"delayed": [{"device": "A01", "start": "2027-08-02"}]},
            "pins": ["A02"],
            "termination": _LIMITS,
        },
        "POST /api/v1/planner/score": {"problem": _PROBLEM, "plan": _BY_HAND},
        "POST /api/v1/planner/compare": {
            "plans": [
                {"name": "last year", "problem": _PROBLEM, "plan": _EARLIER},
                {"name": "by hand", "problem": _PROBLEM, "plan": _BY_HAND},
            ],
            "cost_per_soft_point": "20000",
        },
        f"POST {_INSPECTIONS}": {
            "device": "A01",
            "asset": "acme.osaka.a01",
            "started": "2026-06-01",
            "finished": "2026-06-12",
            "findings": "seal worn, replaced",
        },
    },
)
