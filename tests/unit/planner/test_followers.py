"""Places for those who follow searches."""

from contextlib import ExitStack

import pytest

from services.planner.domain.followers import STREAMS, STREAMS_PER_CALLER, Followers, TooManyStreams


def test_one_who_follows_often_leaves_places_for_others():
    followers = Followers()
    with ExitStack() as opened:
        for _ in range(STREAMS_PER_CALLER):
            opened.enter_context(followers.following("vera"))
        with pytest.raises(TooManyStreams), followers.following("vera"):
            pass
        opened.enter_context(followers.following("otto"))
    with followers.following("vera"):
        pass


def test_all_together_leave_connections_for_other_requests():
    followers = Followers()
    with ExitStack() as opened:
        for number in range(STREAMS):
            opened.enter_context(followers.following(f"user-{number}"))
        with pytest.raises(TooManyStreams), followers.following("vera"):
            pass
    with followers.following("vera"):
        pass
