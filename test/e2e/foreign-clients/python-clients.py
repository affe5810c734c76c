"""One reconnecting client of Python's websockets for each case: `python-clients.py <port> <least|most> <speed> <case,...>`.

As node-clients.mjs: waits are `speed` times as short, and random numbers are all the least or all the greatest.
"""
import asyncio
import random
import sys

import websockets

port, draw, speed, cases = sys.argv[1:]
sleep = asyncio.sleep
asyncio.sleep = lambda delay, *rest: sleep(delay / float(speed), *rest)
random.random = lambda: 0.0 if draw == "least" else 1 - 2**-20


async def client(case):
    async for socket in websockets.connect(f"ws://127.0.0.1:{port}/{draw}/{case}/websockets"):
        try:
            await socket.send("ready")
            await socket.recv()
        except websockets.ConnectionClosed:
            continue


async def main():
    await asyncio.gather(*map(client, cases.split(",")), return_exceptions=True)
    await sleep(86400)


asyncio.run(main())
