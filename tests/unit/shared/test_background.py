import asyncio

from shared.background import running


async def test_work_that_swallows_a_cancellation_is_cancelled_again():
    swallowed, begun = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        while True:
            try:
                begun.set()
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if swallowed.is_set():
                    raise
                swallowed.set()

    async with asyncio.timeout(10.0):
        async with running({"work": work}):
            await begun.wait()
    assert swallowed.is_set()


async def test_work_that_fails_does_not_take_the_other_along():
    going_on = asyncio.Event()

    async def fails() -> None:
        raise ValueError

    async def works() -> None:
        await asyncio.sleep(0)
        going_on.set()
        await asyncio.Event().wait()

    async with asyncio.timeout(10.0), running({"fails": fails, "works": works}):
        await going_on.wait()
