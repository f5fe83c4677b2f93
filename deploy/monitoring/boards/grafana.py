"""A dashboard in Grafana's JSON."""

import json

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    GraphTresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    VariableRefresh,
    VariableSort,
)

from deploy.monitoring.boards.spec import Board, Kind, Panel, Variable

_TAG = "futago"
_SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
_HEIGHT = {Kind.CHART: 8, Kind.STAT: 4}
# Where the runbooks are served, to be changed in the dashboard's settings.
_RUNBOOKS = "https://runbooks.example.com"


def as_json(board: Board) -> str:
    """The file that Grafana reads."""
    built = (
        dashboard.Dashboard(board.title)
        .uid(f"futago-{board.name}")
        .description(board.description)
        .tags([_TAG])
        .time("now-6h", "now")
        .refresh("30s")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink("Futago")
            .type(DashboardLinkType.DASHBOARDS)
            .tags([_TAG])
            .as_dropdown(as_dropdown=True)
            .keep_time(keep_time=True)
        )
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(dashboard.ConstantVariable("runbooks").value(_RUNBOOKS))
    )
    for variable in board.variables:
        built = built.with_variable(_variable(variable))
    for row in board.rows:
        built = built.with_row(dashboard.Row(row.title))
        for panel in row.panels:
            built = built.with_panel(_panel(panel))
    found = built.build()
    for number, shown in enumerate(found.panels or (), start=1):
        shown.id_val = number
    return json.dumps(found, cls=JSONEncoder, indent=1, sort_keys=True) + "\n"


def _variable(variable: Variable) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(variable.name)
        .label(variable.name.capitalize())
        .datasource(_SOURCE)
        .query(f"label_values({variable.metric}, {variable.label})")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(".*")
    )


def _panel(panel: Panel) -> stat.Panel | timeseries.Panel:
    made: stat.Panel | timeseries.Panel
    if panel.kind is Kind.STAT:
        made = (
            stat.Panel()
            .graph_mode(BigValueGraphMode.NONE)
            .color_mode(BigValueColorMode.VALUE if panel.steps else BigValueColorMode.NONE)
            .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        )
    else:
        made = (
            timeseries.Panel()
            .legend(
                common.VizLegendOptions()
                .display_mode(LegendDisplayMode.LIST)
                .placement(LegendPlacement.BOTTOM)
                .show_legend(show_legend=True)
            )
            .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
            .fill_opacity(5)
            .axis_soft_min(0)
        )
        if panel.steps:
            made = made.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphTresholdsStyleMode.DASHED))
        if panel.highest is not None:
            made = made.max(panel.highest)
    made = (
        made.title(panel.title)
        .description(panel.description)
        .datasource(_SOURCE)
        .unit(panel.unit.value)
        .height(_HEIGHT[panel.kind])
        .span(panel.width)
        .thresholds(
            dashboard.ThresholdsConfig()
            .mode(ThresholdsMode.ABSOLUTE)
            .steps([Threshold(None, panel.below), *(Threshold(step.value, step.colour) for step in panel.steps)])
        )
        .links([_runbook(alert) for alert in panel.runbooks])
    )
    if panel.decimals is not None:
        made = made.decimals(panel.decimals)
    for number, query in enumerate(panel.queries):
        asked = prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(chr(ord("A") + number))
        made = made.with_target(asked.instant() if panel.kind is Kind.STAT else asked.range())
    return made


def _runbook(alert: str) -> dashboard.DashboardLink:
    link = dashboard.DashboardLink(alert).type(DashboardLinkType.LINK)
    return link.url(f"${{runbooks}}/{alert}.md").target_blank(target_blank=True)
