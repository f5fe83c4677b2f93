"""Notification URLs: what is accepted, and that nothing secret is said about what is not."""

import logging

import pytest

from shared.notify import DestinationInvalid, open_destinations


def test_destinations_are_told_apart_without_their_secrets():
    opened = open_destinations(["json://user:secret@127.0.0.1/hook", "mailto://me:secret@example.com"])
    assert [destination.label for destination in opened] == ["1:json", "2:mailto"]


@pytest.mark.parametrize("url", ["nonsense://user:secret@x", "secret", "", "slack://secret"])
def test_a_url_that_cannot_be_used_is_told_by_its_place_alone(url: str, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.DEBUG), pytest.raises(DestinationInvalid) as refusal:
        open_destinations(["json://127.0.0.1/hook", url])
    assert refusal.value.facts == {"place": 2}
    assert "secret" not in refusal.value.message + caplog.text


def test_without_urls_there_is_nobody_to_tell():
    assert open_destinations([]) == ()
