import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.anomaly.domain.usability import Reason, unusable_rows


@given(st.lists(st.sampled_from(list(Reason)), max_size=40))
def test_runs_tell_of_every_row_without_a_score_once_and_with_its_reason(reasons: list[Reason]):
    told = {
        row: run.reason for run in unusable_rows(np.array(reasons, np.int8)) for row in range(run.start, run.end + 1)
    }
    assert told == {row: reason for row, reason in enumerate(reasons) if reason is not Reason.USABLE}


def test_neighbouring_rows_with_one_reason_are_told_of_together():
    assert len(unusable_rows(np.array([3, 3, 3, 4, 4, 0, 3], np.int8))) == 3
