"""What attempts are counted on."""

import pytest

from services.gateway.domain.throttling import GrowingDelay, counted_address


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"),
        ("2001:db8:0:0::1", "2001:DB8::2"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::2"),
    ],
)
def test_addresses_of_one_customer_are_one(one: str, other: str):
    assert counted_address(one) == counted_address(other)


@pytest.mark.parametrize(
    ("one", "other"), [("2001:db8::1", "2001:db8:0:1::1"), ("192.0.2.1", "192.0.2.2"), ("unknown", "192.0.2.1")]
)
def test_addresses_of_two_customers_are_two(one: str, other: str):
    assert counted_address(one) != counted_address(other)


@pytest.mark.parametrize("wrong", [{"free": 0}, {"first_s": 0.0}, {"longest_s": 1.0}, {"forget_s": 3.0}])
def test_a_delay_that_makes_no_sense_is_none(wrong: dict[str, float]):
    with pytest.raises(ValueError, match="grows"):
        GrowingDelay(**({"free": 1, "first_s": 2.0, "longest_s": 4.0, "forget_s": 8.0} | wrong))
