"""The cache over HTTP: the numbers that the command line says, and everything forgotten at once."""

from panel_api import Api

from omniroute.store.state import cached_answers


async def test_the_cache_is_counted_and_cleared(api: Api) -> None:
    at = api.store.clock()
    cached_answers.keep(api.store, cached_answers.StoredAnswer("a key", at, b"said", similar=True))
    async with api.client(token=True) as client:
        said = (await client.get("/api/cache")).json()
        assert (said["semanticCache"]["dbEntries"], said["semanticCache"]["oldest"]) == (1, at)
        assert said["idempotency"] == {"repeats": 0}
        assert (await client.delete("/api/cache")).json() == {"ok": True, "removed": 1}
        assert (await client.get("/api/cache")).json()["semanticCache"]["dbEntries"] == 0


async def test_it_is_for_who_administers(api: Api) -> None:
    async with api.client() as client:
        assert (await client.get("/api/cache")).status_code == 401
        assert (await client.delete("/api/cache")).status_code == 401
