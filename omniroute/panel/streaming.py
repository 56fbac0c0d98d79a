"""Responses sent in pieces: files and lines of JSON. They end when the client disconnects."""

import asyncio
import os
from contextlib import aclosing
from typing import Any

from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler

from omniroute.panel.routes import Download, Lines
from omniroute.store.db import files

PIECE = 1024 * 1024
"""Bytes of a file read at a time."""


async def send_file(handler: RequestHandler, download: Download) -> None:
    """Send a file at the speed at which the client reads it, then remove its folder."""
    try:
        with await asyncio.to_thread(download.file.open, "rb") as file:
            handler.set_header("Content-Type", download.content_type)
            handler.set_header("Content-Disposition", f'attachment; filename="{download.name}"')
            handler.set_header("Content-Length", str(os.fstat(file.fileno()).st_size))
            while handler.request.method != "HEAD" and (piece := await asyncio.to_thread(file.read, PIECE)):
                handler.write(piece)
                await handler.flush()
        handler.finish()
    except StreamClosedError:
        return
    finally:
        await asyncio.to_thread(files.remove, download.file.parent)


async def send_lines(handler: RequestHandler, answer: Lines[Any]) -> None:
    """Send each item as a line of JSON, flushed at once."""
    try:
        async with aclosing(answer.items) as items:
            async for each in items:
                handler.write(each.model_dump_json(by_alias=True, exclude_unset=True) + "\n")
                await handler.flush()
        handler.finish()
    except StreamClosedError:
        return
