"""Every route of the management API. A new module is named here, and is served, documented and walked by the tests."""

from omniroute.panel.api import (
    auth,
    availability,
    backups,
    bench,
    budgets,
    cache,
    combo_use,
    combos,
    document,
    doors,
    exchanges,
    history,
    keys,
    limits,
    machines,
    models,
    monitoring,
    names,
    nodes,
    pricing,
    provider_models,
    providers,
    proxies,
    resilience,
    sending,
    settings,
    shaping,
    telemetry,
    translator,
    trials,
    usage,
)
from omniroute.panel.route import routes_of

ROUTES = (
    *routes_of(machines, auth, document, monitoring, settings, resilience, limits, keys, models, usage, translator),
    *routes_of(providers, nodes, provider_models, proxies, trials, budgets, pricing, exchanges, history, availability),
    *routes_of(cache, sending, bench, combo_use, combos, names, doors, shaping, backups, telemetry),
)
document.ROUTES = ROUTES
