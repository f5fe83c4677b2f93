"""Cursors of lists."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.errors import InvalidQuery
from services.gateway.domain.pages import (
    read_cursor,
    read_dated_cursor,
    read_number_cursor,
    write_cursor,
    write_dated_cursor,
)


@given(st.text(st.characters(categories=["L", "N", "P", "Zs"], include_characters=" "), max_size=80))
def test_a_cursor_leads_back_to_where_it_was_made(position: str):
    if position.isprintable():
        assert read_cursor(write_cursor(position)) == position


@given(st.text(max_size=600))
def test_no_text_breaks_a_list(cursor: str):
    for read in (read_cursor, read_dated_cursor, read_number_cursor):
        try:
            read(cursor)
        except InvalidQuery:
            continue


@pytest.mark.parametrize("position", ["x", "-1", "1.5", "²", "9" * 19, ""])
def test_a_cursor_of_another_list_is_refused(position: str):
    for read in (read_dated_cursor, read_number_cursor):
        with pytest.raises(InvalidQuery):
            read(write_cursor(position))


def test_a_dated_cursor_leads_back_to_its_time_and_id():
    assert read_dated_cursor(write_dated_cursor(1_775_000_000_000, "api key 7")) == (1_775_000_000_000, "api key 7")


def test_no_cursor_is_the_beginning():
    assert read_cursor(None) is None
    assert read_dated_cursor(None) is None
    assert read_number_cursor(None) is None
