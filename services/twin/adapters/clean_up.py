"""What the twin keeps for a time only."""

from datetime import datetime, timedelta

from services.twin.adapters.bundle_files import BundleFiles
from services.twin.adapters.sql_observations import SqlObservations
from services.twin.adapters.sql_registry import SqlRegistry
from shared.history import SqlHistory
from shared.retention import Rule

# Longer than any upload takes from its first byte to its row in the database.
_ORPHANS_KEPT = timedelta(days=1)


def rules(
    *,
    observations: SqlObservations,
    registry: SqlRegistry,
    files: BundleFiles,
    observations_kept: timedelta | None,
    withdrawn_kept: timedelta,
    history: SqlHistory,
    history_kept: timedelta | None,
) -> list[Rule]:
    """Make the rules of one replica.

    Parameters
    ----------
    observations_kept
        Observations go so long after they were received; what was learned from them stays.
    withdrawn_kept
        The bundle of a version goes so long after it was withdrawn: replicas need seconds to follow.
    history_kept
        Values of assets, kept for dashboards.
    """

    def forget_withdrawn(before: datetime) -> int:
        return registry.forget_archives(before, files.forget)

    def forget_orphans(before: datetime) -> int:
        return files.forget_orphans(registry.known_archives, before)

    def forget_unpacked(_: datetime) -> int:
        return files.forget_unpacked(registry.known_archives)

    return [
        Rule("observations", observations_kept, observations.remove),
        Rule("history", history_kept, history.remove),
        Rule("withdrawn_bundles", withdrawn_kept, forget_withdrawn),
        Rule("orphan_bundles", _ORPHANS_KEPT, forget_orphans),
        Rule("unpacked_bundles", timedelta(0), forget_unpacked),
    ]
