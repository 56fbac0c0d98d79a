"""A shelf holds what there is room for, and lets go of what was not used for the longest."""

from hypothesis import given
from hypothesis import strategies as st

from omniroute.cache.response_cache import BoundedLRU

names = st.sampled_from("abcdef")
acts = st.lists(
    st.one_of(
        st.tuples(st.just("put"), names, st.integers(0, 9)),
        st.tuples(st.just("get"), names, st.just(0)),
        st.tuples(st.just("drop"), names, st.just(0)),
        st.tuples(st.just("trim"), st.just(""), st.integers(0, 5)),
        st.tuples(st.just("clear"), st.just(""), st.just(0)),
    ),
    max_size=40,
)


@given(acts, st.integers(0, 4), st.integers(0, 20))
def test_it_is_never_fuller_than_it_may_be(done: list[tuple[str, str, int]], entries: int, most: int) -> None:
    """Checked against a list in the order of use."""
    shelf = BoundedLRU[str, int](lambda size: size)
    model: list[tuple[str, int]] = []

    def cut(entries: int) -> list[str]:
        gone = []
        while model and (len(model) > entries or sum(size for _, size in model) > most):
            gone.append(model.pop(0)[0])
        return gone

    for act, name, number in done:
        held = dict(model)
        match act:
            case "put":
                model[:] = [pair for pair in model if pair[0] != name] + [(name, number)]
                assert shelf.put(name, number, entries=entries, most=most) == cut(entries)
            case "get":
                assert shelf.get(name) == held.get(name)
                if name in held:
                    model[:] = [pair for pair in model if pair[0] != name] + [(name, held[name])]
            case "drop":
                shelf.remove(name)
                model[:] = [pair for pair in model if pair[0] != name]
            case "trim":
                assert shelf.evict(number, most) == cut(number)
            case _:
                shelf.clear()
                model.clear()
        assert (len(shelf), shelf.bytes) == (len(model), sum(size for _, size in model))
        assert len(shelf) <= entries
        assert shelf.bytes <= most
        assert shelf.least_used() == (model[0] if model else None)
        assert all(name in shelf for name, _ in model)
