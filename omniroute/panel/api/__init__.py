"""The table of all routes of the management API. A module added here is served, documented and tested."""

from omniroute.panel.api import (
    aliases,
    auth,
    backups,
    bench,
    budgets,
    cache,
    chat_tester,
    combo_metrics,
    combos,
    connection_tests,
    health,
    ip_filter,
    keys,
    limits,
    live_exchanges,
    models,
    nodes,
    pricing,
    probes,
    provider_models,
    providers,
    proxies,
    request_shaping,
    resilience,
    settings,
    translator,
    usage,
    usage_history,
)
from omniroute.panel.routes import routes_of

ROUTES = (
    *routes_of(probes, auth, probes, health, settings, resilience, limits, keys, models, usage, translator),
    *routes_of(
        providers,
        nodes,
        provider_models,
        proxies,
        connection_tests,
        budgets,
        pricing,
        live_exchanges,
        usage_history,
        health,
    ),
    *routes_of(cache, chat_tester, bench, combo_metrics, combos, aliases, ip_filter, request_shaping, backups, health),
)
probes.ROUTES = ROUTES
