"""The figures by which a walk from answer to answer is judged."""

from tests.security.walked_links import WalkedLinks


def test_a_walk_without_a_link_followed_none_of_them():
    assert WalkedLinks(links=0, scenarios=9, statuses={}, unavailable=0).share == 0.0


def test_what_two_walks_came_by_counts_together():
    first = WalkedLinks(links=4, scenarios=2, statuses={"a": {"200": 1}}, unavailable=1)
    later = WalkedLinks(links=4, scenarios=3, statuses={"a": {"200": 2, "404": 1}, "b": {"403": 1}}, unavailable=0)
    both = first.joined(later)
    assert both == WalkedLinks(4, 5, {"a": {"200": 3, "404": 1}, "b": {"403": 1}}, 1)
    assert both.share == 0.5
    assert "2 of 4 links followed (50%), 1 of them to a success, in 5 scenarios" in both.text()
