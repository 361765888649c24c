from service.bootstrap import PROBE_SECONDS, Probe
from service.domain.api_keys import DEFAULT_TENANT
from service.domain.fits import FitState
from service.storage.census import RedisCensus
from service.storage.fits import RedisFitRepository
from service.storage.keys import TENANTS
from tests.records import FAILURE, NOW, a_fit, a_fitted_model


def test_an_empty_store_has_no_fits(store_clients):
    census = RedisCensus(store_clients).take(n_workers=3)
    assert (census.n_queued, census.n_running, census.n_workers) == (0, 0, 3)
    assert census.n_ended == {
        FitState.SUCCEEDED: 0,
        FitState.FAILED: 0,
        FitState.CANCELLED: 0,
    }


def test_fits_of_all_tenants_are_counted(store_clients):
    store_clients.ordinary.sadd(TENANTS, "acme")
    for tenant in (DEFAULT_TENANT, "acme"):
        fits = RedisFitRepository(store_clients, tenant)
        for fit_id in ("f1", "f2", "f3", "f4", "f5"):
            fits.add(a_fit(fit_id))
        fits.start("f1", NOW)
        fits.succeed(fits.start("f2", NOW), a_fitted_model(f"m{tenant}"), NOW)
        fits.cancel("f3", NOW)
    fits.fail(fits.start("f4", NOW), FAILURE, NOW)
    census = RedisCensus(store_clients).take(n_workers=0)
    assert (census.n_queued, census.n_running) == (3, 2)
    assert census.n_ended == {
        FitState.SUCCEEDED: 2,
        FitState.FAILED: 1,
        FitState.CANCELLED: 2,
    }


def test_a_probe_counts_workers_as_well(store_clients):
    store_clients.ordinary.sadd("rq:workers:fits", "rq:worker:a", "rq:worker:gone")
    store_clients.ordinary.hset("rq:worker:a", "birth", "now")
    probe = Probe(store_clients.url)
    assert probe.take_census().n_workers == 1
    probe.clients.close()


def test_a_probe_has_connections_and_a_patience_of_its_own(store_clients):
    probe = Probe(store_clients.url)
    assert probe.clients.ordinary is not store_clients.ordinary
    assert probe.clients.timeout_seconds == PROBE_SECONDS <= 2 < 5
    assert store_clients.timeout_seconds == 5
