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


def test_no_level_of_logging_shows_the_paths_that_messages_are_sent_to(caplog: pytest.LogCaptureFixture):
    open_destinations(["json://127.0.0.1/secret"])
    with caplog.at_level(logging.DEBUG):
        # As a connection says it of each request.
        logging.getLogger("urllib3.connectionpool").debug('"POST /secret HTTP/1.1" 200 0')
    assert "secret" not in caplog.text
