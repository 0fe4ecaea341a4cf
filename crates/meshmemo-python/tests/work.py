"""Work that waits to be let go, and threads that ask for it."""

import asyncio
import threading

SECONDS = 30


class Work:
    """Work that waits to be let go, and knows how often it began."""

    def __init__(self, end=lambda x: [x]):
        self.began = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.runs = 0
        self._end = end

    def __call__(self, x):
        self.runs += 1
        self.began.release()
        assert self.go_on.wait(SECONDS)
        return self._end(x)

    async def async_call(self, x):
        self.runs += 1
        self.began.release()
        await until(self.go_on)
        return self._end(x)


async def until(event):
    """Waits for an event of threads without holding up the loop."""
    assert await asyncio.to_thread(event.wait, SECONDS)


def start(count, call):
    """Calls on threads, and returns a function that gives what each brought or raised."""
    brought = []

    def run(number):
        try:
            brought.append(call(number))
        except BaseException as error:
            brought.append(error)

    threads = [threading.Thread(target=run, args=(it,)) for it in range(count)]
    for thread in threads:
        thread.start()

    def end():
        for thread in threads:
            thread.join(SECONDS)
            assert not thread.is_alive()
        return brought

    return end
