"""Metrics in Prometheus's text format, version 0.0.4."""

from collections.abc import Iterable, Mapping
from itertools import accumulate

from omniroute import __version__
from omniroute.gateway.loop_watchdog import BUCKETS
from omniroute.gateway.metrics import SECONDS, Histogram
from omniroute.gateway.runtime import Runtime
from omniroute.store.db.write_health import WriteHealth

type Labels = Mapping[str, str]
type Sample = tuple[str, Labels, float]


def write(runtime: Runtime) -> str:
    """Write all metrics.

    Label values are fixed words or provider names, never a key, an account or a model; `Metrics` bounds their number.
    """
    tally, now = runtime.tally, runtime.wall()
    writes = runtime.store.write_health if runtime.store else WriteHealth()
    health = runtime.choosing.health.snapshot()
    opened: list[Sample] = [
        (
            "",
            {"scope": scope},
            sum(key[0] == scope and each.state(now) == "OPEN" for key, each in health.breakers.items()),
        )
        for scope in ("account", "provider")
    ]
    return "".join((
        _family("omniroute_info", "gauge", "What is running.", [("", {"version": __version__}, 1)]),
        _family("omniroute_uptime_seconds", "gauge", "Since the start.", [("", {}, now - runtime.started_at)]),
        _family("omniroute_exchanges_total", "counter", "Requests of clients, with the status that they got.",
                [("", {"provider": p, "status": s}, n) for (p, s), n in tally.exchanges.items()]),
        _family("omniroute_attempts_total", "counter", "Targets that were asked, by what came of it.",
                [("", {"outcome": outcome}, n) for outcome, n in tally.attempts.items()]),
        _family("omniroute_tokens_total", "counter", "Tokens as upstreams counted them.",
                [("", {"provider": p, "kind": kind}, n) for (p, kind), n in tally.tokens.items()]),
        _family("omniroute_cost_dollars_total", "counter", "What that cost, where the price is known.",
                [("", {"provider": p}, n) for p, n in tally.cost.items()]),
        _family("omniroute_cost_unknown_total", "counter", "Requests whose price nobody knows.",
                [("", {"provider": p}, n) for p, n in tally.unknown_cost.items()]),
        _family("omniroute_protocol_errors_total", "counter", "Violations of HTTP by clients, by reason.",
                [("", {"reason": reason}, n) for reason, n in tally.protocol_errors.items()]),
        _family("omniroute_exchange_seconds", "histogram", "From the request to the end of the reply.",
                _histogram(tally.latency)),
        _family("omniroute_first_content_seconds", "histogram", "From the request to the first content.",
                _histogram(tally.ttft)),
        _family("omniroute_cooling", "gauge", "Models, accounts and providers that are cooling down.",
                [("", {}, sum(each.until > now for each in health.cooling.values()))]),
        _loop_lag(runtime),
        _clients(runtime),
        _family("omniroute_breakers_open", "gauge", "Circuit breakers that are open.", opened),
        _family("omniroute_store_failing", "gauge", "1 while the database takes no writes.",
                [("", {}, writes.reason is not None)]),
        _family("omniroute_usage_records_waiting", "gauge", "Usage records that wait to be written.",
                [("", {}, len(runtime.pending.rows))]),
        _family("omniroute_usage_records_dropped_total", "counter", "Usage records for which there was no room.",
                [("", {}, writes.dropped)]),
        _family("omniroute_usage_records_rejected_total", "counter", "Usage records that the database refused.",
                [("", {}, writes.rejected)]),
    ))  # fmt: skip


def _loop_lag(runtime: Runtime) -> str:
    lag = runtime.loop_watchdog.lag
    ends = (*(f"{seconds:g}" for seconds in BUCKETS), "+Inf")
    sums = list(accumulate(lag.counts))
    samples: list[Sample] = [("_bucket", {"le": end}, count) for end, count in zip(ends, sums, strict=True)]
    samples += [("_sum", {}, lag.sum), ("_count", {}, sums[-1])]
    return "".join((
        _family("omniroute_loop_lag_seconds", "histogram", "How late the event loop runs its callbacks.", samples),
        _family("omniroute_loop_lag_max_seconds", "gauge", "Largest lag of the event loop since the start.",
                [("", {}, lag.maximum)]),
        _family("omniroute_loop_held_total", "counter", "Times that the event loop was held for over 250 ms.",
                [("", {}, lag.held)]),
    ))  # fmt: skip


def _clients(runtime: Runtime) -> str:
    requests = _family("omniroute_requests_in_flight", "gauge", "Client requests under way.",
                       [("", {}, len(runtime.in_flight))])  # fmt: skip
    if runtime.clients is None:
        return requests
    connections = runtime.clients.connections
    counts = connections.counts
    return "".join((
        requests,
        _family("omniroute_client_connections", "gauge", "Client connections.", [("", {}, len(connections))]),
        _family("omniroute_client_connections_limit", "gauge", "Client connections that there can be.",
                [("", {}, connections.limit)]),
        _family("omniroute_client_connections_accepted_total", "counter", "Client connections accepted.",
                [("", {}, counts.accepted)]),
        _family("omniroute_client_connections_refused_total", "counter", "Client connections refused, by limit.",
                [("", {"limit": name}, count) for name, count in counts.refused.items()]),
        _family("omniroute_client_connections_closed_total", "counter", "Idle client connections closed, by reason.",
                [("", {"reason": "room"}, counts.evicted), ("", {"reason": "timeout"}, counts.timed_out)]),
    ))  # fmt: skip


def _family(name: str, kind: str, help: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP {name} {help}", f"# TYPE {name} {kind}"]
    lines += [f"{name}{end}{_labels(labels)} {value:.10g}" for end, labels, value in samples]
    return "\n".join(lines) + "\n"


def _histogram(times: Mapping[str, Histogram]) -> list[Sample]:
    found: list[Sample] = []
    for provider, each in times.items():
        labels = {"provider": provider}
        ends = (*(f"{seconds:g}" for seconds in SECONDS), "+Inf")
        sums = list(accumulate(each.counts))
        found += [("_bucket", {**labels, "le": end}, count) for end, count in zip(ends, sums, strict=True)]
        found += [("_sum", labels, each.sum), ("_count", labels, sums[-1])]
    return found


def _labels(labels: Labels) -> str:
    said = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{said}}}" if said else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
