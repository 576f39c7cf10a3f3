"""Exchanges messages between AutobahnPeer, whose path is the argument, and PyPI's websockets, in both roles."""
import asyncio
import re
import sys

import websockets
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

MESSAGES = ["", "hello", "κόσμε 𝄞", "a" * 70_000, b""] + [
    bytes(i & 0xFF for i in range(size)) for size in (1, 125, 126, 65_535, 65_536, 1 << 20)
]
OPTIONS = dict(max_size=1 << 24, ping_interval=None)


async def converse(connection):
    """Says everything, one by one and then all at once, and expects it back."""
    for message in MESSAGES:
        await connection.send(message)
        assert await connection.recv() == message
    await connection.send(["in", "three ", "fragments"])
    assert await connection.recv() == "inthree fragments"

    async def say():
        for message in MESSAGES * 3:
            await connection.send(message)

    saying = asyncio.create_task(say())
    for message in MESSAGES * 3:
        assert await connection.recv() == message
    await saying
    await (await connection.ping(b"are you there"))


async def with_our_server(peer):
    process = await asyncio.create_subprocess_exec(peer, "server", stdout=asyncio.subprocess.PIPE)
    try:
        line = (await process.stdout.readline()).decode()
        url = re.search(r"ws://\S+", line).group()
        async with connect(url, **OPTIONS) as connection:
            await converse(connection)
            await connection.close(4000, "done")
            assert connection.close_code == 4000 and connection.close_reason == "done"
        try:
            async with connect(url, origin="http://evil.example"):
                raise AssertionError("a foreign web page was let in")
        except websockets.InvalidStatus as refusal:
            assert refusal.response.status_code == 403
    finally:
        process.terminate()
        await process.wait()


async def with_our_client(peer):
    """Plays the fuzzing server that the client of AutobahnPeer expects, with one case."""
    outcomes = []

    async def handle(connection):
        path = connection.request.path
        if path == "/getCaseCount":
            await connection.send("1")
        elif path.startswith("/runCase"):
            try:
                await converse(connection)
                await connection.close(1000, "done")
                outcomes.append(connection.close_code)
            except BaseException as error:
                outcomes.append(error)
                raise

    async with serve(handle, "127.0.0.1", 0, **OPTIONS) as server:
        port = server.sockets[0].getsockname()[1]
        process = await asyncio.create_subprocess_exec(peer, "client", f"ws://127.0.0.1:{port}")
        assert await process.wait() == 0
    assert outcomes == [1000], outcomes


async def main(peer):
    await asyncio.wait_for(with_our_server(peer), 60)
    print(f"websockets {websockets.__version__} and our server: {4 * len(MESSAGES)} messages")
    await asyncio.wait_for(with_our_client(peer), 60)
    print(f"websockets {websockets.__version__} and our client: {4 * len(MESSAGES)} messages")


asyncio.run(main(sys.argv[1]))
