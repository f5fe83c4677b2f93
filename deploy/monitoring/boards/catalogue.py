"""All dashboards."""

from deploy.monitoring.boards.anomaly import ANOMALY
from deploy.monitoring.boards.gateway import GATEWAY
from deploy.monitoring.boards.infrastructure import INFRASTRUCTURE
from deploy.monitoring.boards.overview import OVERVIEW
from deploy.monitoring.boards.planner import PLANNER
from deploy.monitoring.boards.twin import TWIN

BOARDS = (OVERVIEW, GATEWAY, TWIN, ANOMALY, PLANNER, INFRASTRUCTURE)
