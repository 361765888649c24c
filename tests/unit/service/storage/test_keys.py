import pytest

from service.domain.fits import FitState
from service.storage import keys
from service.storage.keys import Keys


def all_keys(names):
    return [
        names.datasets,
        names.fits,
        names.models,
        names.dataset("x"),
        names.dataset_block("x", 1),
        names.fit("x"),
        names.fit_events("x"),
        names.fit_checkpoint("x"),
        names.fits_in(FitState.QUEUED),
        names.fits_in(FitState.RUNNING),
        names.model("x"),
        names.model_parameters("x"),
        names.model_trajectory("x", 1),
        names.fit_by_hash("sha256:x"),
        names.fit_durations,
        names.fits_ended,
        names.idempotency("x"),
        names.idempotency_hold("x"),
        names.idempotency_keys,
        names.staged("x", 1),
    ]


def test_every_key_is_under_its_tenant_and_all_are_different():
    names = all_keys(Keys("acme")) + all_keys(Keys())
    assert len(set(names)) == len(names)
    assert all(name.startswith("gmm:acme:") for name in all_keys(Keys("acme")))
    assert all(name.startswith("gmm:default:") for name in all_keys(Keys()))


def test_every_kind_of_key_is_in_the_documentation():
    kinds = {key.split(":")[2] for key in all_keys(Keys())}
    documented = keys.__doc__.replace("fits-queued, fits-running", "fits-queued")
    assert {kind for kind in kinds if kind not in documented} == {"fits-running"}
    assert keys.SCHEMA_VERSION in documented
    assert keys.MIGRATION_LOCK in documented


@pytest.mark.parametrize("tenant", ["", "_", "A", "a:b", "-a", "a" * 64, "a\n"])
def test_a_tenant_that_could_be_mistaken_is_refused(tenant):
    with pytest.raises(ValueError, match="expected a tenant"):
        Keys(tenant)
