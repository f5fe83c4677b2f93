"""Many who ask Redis at once share few connections, and nobody is told that it is away."""

import asyncio

from shared.redis_client import MOST_CONNECTIONS, async_client, async_waiting_client


async def test_a_burst_shares_few_connections_and_everybody_is_answered(redis_url: str):
    redis, onlooker = async_client(redis_url), async_client(redis_url)
    before = len(await onlooker.client_list())
    answers = await asyncio.gather(*(redis.ping() for _ in range(500)))
    opened = len(await onlooker.client_list()) - before
    await redis.aclose()
    await onlooker.aclose()
    assert all(answers)
    assert opened == MOST_CONNECTIONS


async def test_who_waits_inside_redis_keeps_nobody_from_waiting_too(redis_url: str):
    redis = async_waiting_client(redis_url, wait_s=1.0)
    waiting = [asyncio.create_task(redis.blpop([f"queue {number}"], 1)) for number in range(2 * MOST_CONNECTIONS)]
    await asyncio.sleep(0.2)
    other = async_client(redis_url)
    for number in range(len(waiting)):
        await other.rpush(f"queue {number}", "news")
    told = await asyncio.gather(*waiting)
    await redis.aclose()
    await other.aclose()
    assert all(told)
