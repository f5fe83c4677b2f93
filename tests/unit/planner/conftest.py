"""The compiled search is kept between test runs: compiling it takes most of their time."""

import pytest

from services.planner import library


@pytest.fixture(scope="session", autouse=True)
def _compiled_search(request: pytest.FixtureRequest) -> None:
    cache = request.config.cache
    if cache is not None:
        library.keep_compiled(cache.mkdir("planner-search"))
