"""Network proxies as a process of its own: prints its ports as one line of JSON, ends when standard input does.

Each kind listens on a port of its own. `log` answers every connection with what has happened so far, as JSON.
"""

import asyncio
import base64
import json
import ssl
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from scripted.certificate import make

type Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

USER, PASSWORD = "wombat-user", "Pangolin:7q/Zr@2"
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


class Proxies:
    def __init__(self) -> None:
        self.log: list[dict[str, str]] = []
        self.counts: Counter[str] = Counter()

    def note(self, kind: str, target: str, how: str) -> None:
        self.log.append({"kind": kind, "target": target, "how": how})

    # HTTP

    async def connect(self, kind: str, client: Streams) -> None:
        """Open tunnels; `connect-auth` for those who log in, `forward` not at all but forwards what it can read."""
        head = await client[0].readuntil(b"\r\n\r\n")
        first, *fields = head.decode().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (f.partition(":") for f in fields if f)}
        said = headers.get("proxy-authorization", "")
        self.note(kind, target, f"{method} {headers.get('host', '')}")
        if kind == "connect-auth" and said != BASIC:
            await self.answer(client, "407 Who are you", 'Proxy-Authenticate: Basic realm="' + said + '"')
        elif kind in ("403", "502"):
            await self.answer(client, f"{kind} No")
        elif kind == "forward" and method == "CONNECT":
            await self.answer(client, "403 Only port 443")
        elif kind.startswith("forward"):
            if kind == "forward-auth" and method == "CONNECT":
                await self.answer(client, "405 No")
                return
            if kind == "forward-auth" and said != BASIC:
                await self.answer(client, "407 Who are you")
                return
            host, _, path = target.removeprefix("http://").partition("/")
            name, _, port = host.rpartition(":")
            kept = [f for f in fields if f and not f.lower().startswith("proxy-")]
            head = "\r\n".join([f"{method} /{path} HTTP/1.1", *kept, "", ""]).encode()
            await self.join(client, name, int(port), head)
        else:
            host, _, port = target.rpartition(":")
            client[1].write(b"HTTP/1.1 200 Connection Established\r\nX-Odd: yes\r\n\r\n")
            await self.join(client, host, int(port))

    async def answer(self, client: Streams, status: str, *fields: str) -> None:
        client[1].write("\r\n".join([f"HTTP/1.1 {status}", *fields, "Content-Length: 2", "", "no"]).encode())
        await client[1].drain()

    # SOCKS5

    async def socks(self, kind: str, client: Streams) -> None:
        reader, writer = client
        _, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        if kind == "socks-auth":
            if 2 not in methods:
                writer.write(b"\x05\xff")
                self.note(kind, "", "no login")
                return
            writer.write(b"\x05\x02")
            _, length = await reader.readexactly(2)
            user = await reader.readexactly(length)
            (length,) = await reader.readexactly(1)
            right = (user.decode(), (await reader.readexactly(length)).decode()) == (USER, PASSWORD)
            writer.write(b"\x01" + bytes([not right]))
            if not right:
                self.note(kind, "", "wrong login")
                return
        else:
            writer.write(b"\x05\x00")
        *_, shape = await reader.readexactly(4)
        if shape == 1:
            host = ".".join(map(str, await reader.readexactly(4)))
        else:
            (length,) = await reader.readexactly(1)
            host = (await reader.readexactly(length)).decode()
        port = int.from_bytes(await reader.readexactly(2))
        self.note(kind, f"{host}:{port}", f"shape {shape}")
        if kind == "socks-refuse":
            writer.write(b"\x05\x05\x00\x01" + bytes(6))
            return
        writer.write(b"\x05\x00\x00\x01" + bytes(6))
        await self.join(client, host, port)

    # both

    async def hang(self, kind: str, client: Streams) -> None:
        await client[0].read(65536)
        self.note(kind, "", "hangs")
        await client[0].read()

    async def join(self, client: Streams, host: str, port: int, first: bytes = b"") -> None:
        upstream = await asyncio.open_connection(host, port)
        self.counts["tunnels"] += 1
        upstream[1].write(first)
        try:
            ways = ((client[0], upstream[1]), (upstream[0], client[1]))
            pumps = [asyncio.ensure_future(pump(*way)) for way in ways]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for each in pumps:
                each.cancel()
        finally:
            self.counts["tunnels"] -= 1
            upstream[1].close()

    async def address(self, kind: str, client: Streams) -> None:
        """Say which address the world sees, as a public service would."""
        await client[0].readuntil(b"\r\n\r\n")
        client[1].write(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n203.0.113.7\n")

    async def tell(self, kind: str, client: Streams) -> None:
        said = {"log": self.log, "open": {k: n for k, n in self.counts.items() if n and k != "log"}}
        client[1].write(json.dumps(said).encode())

    async def listen(
        self, kind: str, talk: Callable[..., Awaitable[None]], tls: ssl.SSLContext | None
    ) -> asyncio.Server:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.counts[kind] += 1
            try:
                with suppress(OSError, EOFError):
                    await talk(kind, (reader, writer))
                    await writer.drain()
            finally:
                self.counts[kind] -= 1
                writer.close()

        return await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


async def main(folder: Path) -> None:
    proxies = Proxies()
    cert, key = make(folder, "scripted proxy")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(cert, key)
    kinds: dict[str, Any] = dict.fromkeys(
        ("connect", "connect-auth", "connect-tls", "forward", "forward-auth", "403", "502"), proxies.connect
    )
    kinds |= dict.fromkeys(("socks", "socks-auth", "socks-refuse"), proxies.socks)
    kinds |= {"hang": proxies.hang, "log": proxies.tell, "ip": proxies.address}
    servers = {
        kind: await proxies.listen(kind, talk, tls if kind == "connect-tls" else None) for kind, talk in kinds.items()
    }
    ports = {kind: server.sockets[0].getsockname()[1] for kind, server in servers.items()}
    print(json.dumps({"ports": ports, "ca": str(cert)}), flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    with TemporaryDirectory() as made:
        asyncio.run(main(Path(made)))
