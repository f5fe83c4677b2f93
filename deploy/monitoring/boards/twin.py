"""Does the twin answer, and are its answers true?"""

from deploy.monitoring.boards.promql import newest, per_second, total, within
from deploy.monitoring.boards.spec import Board, Panel, Query, Row, Unit, Variable, alarm_from, stat

_MODEL = 'model=~"$model"'
_HITS = per_second("futago_twin_cache_total", "tier", 'outcome="hit"')
_LOOKS = per_second("futago_twin_cache_total", "tier", 'outcome=~"hit|miss"')
_HITS_BY_TIER = f"{_HITS} / ({_LOOKS} > 0)"
_NAME = "{{model}} {{version}}"
_NO_ASSETS = "values of single assets are shown where it is asked for"

TWIN = Board(
    "twin",
    "Futago: twin",
    "Predictions, how long they take, and how true they are.",
    variables=(
        Variable("model", "futago_twin_predictions_total", "model"),
        Variable("asset", "futago_twin_asset_prediction", "asset", _NO_ASSETS),
    ),
    rows=(
        Row(
            "Answers",
            (
                Panel(
                    "Rows predicted and refused",
                    (
                        Query(
                            per_second("futago_twin_predictions_total", "model, version, outcome", _MODEL),
                            "{{model}} {{version}} {{outcome}}",
                        ),
                    ),
                    Unit.PER_SECOND,
                    runbooks=("FutagoInputsRefused",),
                ),
                Panel(
                    "Time of the model: one call in a hundred takes longer than",
                    (
                        Query(
                            within("futago_twin_inference_seconds", "model, version", _MODEL),
                            _NAME,
                        ),
                    ),
                    Unit.SECONDS,
                    runbooks=("FutagoTwinOverloaded",),
                ),
                Panel(
                    "Answered by the cache",
                    (
                        Query("futago:twin_cache_hits:ratio_rate5m", "of all looks"),
                        Query(_HITS_BY_TIER, "{{tier}}"),
                    ),
                    Unit.SHARE,
                    highest=1.0,
                    runbooks=("FutagoPredictionCacheAway",),
                ),
                Panel(
                    "Not answered by the model itself",
                    (
                        Query(
                            per_second("futago_twin_fail_safe_total", "model, policy, cause", _MODEL),
                            "{{model}}: {{policy}}, {{cause}}",
                            empty_because="every model answered itself",
                        ),
                    ),
                    Unit.PER_SECOND,
                    runbooks=("FutagoModelFallback",),
                ),
                Panel(
                    "Inputs that resemble the training rows",
                    (
                        Query(
                            per_second("futago_twin_applicability_total", "model, state", _MODEL),
                            "{{model}} {{state}}",
                        ),
                    ),
                    Unit.PER_SECOND,
                    runbooks=("FutagoInputsUnfamiliar",),
                ),
                Panel(
                    "By the variant of an experiment",
                    (
                        Query(
                            per_second("futago_twin_variant_predictions_total", "model, variant, version", _MODEL),
                            "{{model}} {{variant}} ({{version}})",
                            empty_because="no experiment runs",
                        ),
                    ),
                    Unit.PER_SECOND,
                ),
            ),
        ),
        Row(
            "Truth",
            (
                Panel(
                    "Measured values inside their 90 % interval",
                    (Query(newest("futago_twin_coverage", "model, version", _MODEL), _NAME),),
                    Unit.SHARE,
                    highest=1.0,
                    runbooks=("FutagoCoverageLow",),
                ),
                Panel(
                    "Mean of the residuals",
                    (Query(newest("futago_twin_bias", "model, version", _MODEL), _NAME),),
                    description="In the unit of the model's target.",
                    runbooks=("FutagoResidualBiased",),
                ),
                Panel(
                    "Root mean square of the residuals",
                    (Query(newest("futago_twin_rmse", "model, version", _MODEL), _NAME),),
                    description="In the unit of the model's target.",
                ),
                Panel(
                    "Newest residual",
                    (Query(newest("futago_twin_residual", "model, version", _MODEL), _NAME),),
                    description="Measured minus predicted, in the unit of the model's target.",
                ),
                Panel(
                    "Observations",
                    (
                        Query(
                            per_second("futago_twin_observations_total", "model, outcome", _MODEL),
                            "{{model}} {{outcome}}",
                        ),
                    ),
                    Unit.PER_SECOND,
                ),
                Panel(
                    "Sensors that are stuck",
                    (
                        Query(
                            per_second("futago_twin_stuck_features_total", "model", _MODEL),
                            "{{model}}",
                            empty_because="every reading moves",
                        ),
                    ),
                    Unit.PER_SECOND,
                    runbooks=("FutagoSensorStuck",),
                ),
            ),
        ),
        Row(
            "Assets",
            (
                Panel(
                    "Newest prediction and its interval",
                    tuple(
                        Query(
                            newest(f"futago_twin_asset_prediction{end}", "model, asset", _MODEL + ', asset=~"$asset"'),
                            legend,
                            empty_because=_NO_ASSETS,
                        )
                        for end, legend in (
                            ("", "{{asset}}: {{model}}"),
                            ("_lower", "{{asset}}: {{model}}, lower"),
                            ("_upper", "{{asset}}: {{model}}, upper"),
                        )
                    ),
                    description="In the unit of the model's target.",
                    width=24,
                ),
            ),
        ),
        Row(
            "Inside",
            (
                stat("Models in memory", "max(futago_twin_models_loaded)"),
                stat("Their bundles", "max(futago_twin_models_loaded_bytes)", unit=Unit.BYTES),
                stat(
                    "Calls past their deadline",
                    "sum(futago_twin_calls_overdue)",
                    steps=alarm_from(1.0),
                    runbooks=("FutagoTwinOverloaded",),
                ),
                stat(
                    "Calls refused",
                    "sum(rate(futago_twin_calls_refused_total[5m]))",
                    unit=Unit.PER_SECOND,
                    steps=alarm_from(0.001),
                    runbooks=("FutagoTwinOverloaded",),
                ),
                Panel(
                    "Active versions",
                    (Query(total("futago_twin_model_info", "model, version", _MODEL), _NAME),),
                    description="Number of replicas; two versions of a model at once: an activation is in progress.",
                ),
                Panel(
                    "Alerts by outcome",
                    (Query("sum by (outcome) (increase(futago_twin_alerts_total[$__rate_interval]))", "{{outcome}}"),),
                    runbooks=("FutagoTwinAlertsDropped",),
                ),
            ),
        ),
    ),
)
