"""Somebody at the panel, in a process of its own: asks what a page asks, as often as it does, until it is ended.

Takes a line of JSON: {"url", "token", "pages": [[seconds, path], …], "live": bool}. Says "ready" when it has begun.
"""

import asyncio
import json
import sys

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import websocket_connect


async def main() -> None:
    job = json.loads(sys.stdin.readline())
    headers = {"Authorization": f"Bearer {job['token']}"}
    client = AsyncHTTPClient(max_clients=20)

    async def ask(path: str) -> None:
        await client.fetch(HTTPRequest(job["url"] + path, headers=headers, request_timeout=30))

    async def look(seconds: float, path: str) -> None:
        while True:
            await asyncio.sleep(seconds)
            await ask(path)

    async def watch() -> None:
        while await socket.read_message() is not None:
            pass

    await asyncio.gather(*(ask(path) for _, path in job["pages"]))
    work = [look(seconds, path) for seconds, path in job["pages"]]
    if job["live"]:
        url = job["url"].replace("http", "ws", 1) + "/api/translator/live"
        socket = await websocket_connect(HTTPRequest(url, headers=headers))
        work.append(watch())
    print("ready", flush=True)
    await asyncio.gather(*work)


if __name__ == "__main__":
    asyncio.run(main())
