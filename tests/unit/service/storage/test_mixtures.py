import numpy as np
import pytest

from service.domain.models import Frame
from service.errors import CorruptValueError
from service.storage import mixtures
from service.storage.codec import encode_array
from tests.records import a_mixture

SIZE = sum(x.nbytes for x in (a_mixture().weights, a_mixture().means)) + 64


def frames(n_frames):
    mixture = a_mixture()
    return tuple(Frame(i, float(i), mixture) for i in range(n_frames))


def test_a_short_trajectory_is_kept_whole():
    trajectory = frames(mixtures.MAX_FRAMES)
    assert mixtures.bounded(trajectory) is trajectory
    assert mixtures.bounded(()) == ()


def test_a_long_trajectory_is_thinned_evenly_and_keeps_its_ends():
    kept = [frame.iteration for frame in mixtures.bounded(frames(2000))]
    assert len(kept) == mixtures.MAX_FRAMES
    assert (kept[0], kept[-1]) == (0, 1999)
    assert set(np.diff(kept)) <= {4, 5}


def test_a_trajectory_of_large_mixtures_is_bounded_in_bytes(monkeypatch):
    monkeypatch.setattr(mixtures, "MAX_TRAJECTORY_BYTES", 3 * SIZE)
    assert len(mixtures.bounded(frames(100))) == 3
    monkeypatch.setattr(mixtures, "MAX_TRAJECTORY_BYTES", 1)
    assert [f.iteration for f in mixtures.bounded(frames(100))] == [0, 99]


def test_a_trajectory_spans_blocks(monkeypatch):
    monkeypatch.setattr("service.storage.codec.BLOCK_BYTES", 1000)
    blocks = list(mixtures.encode_trajectory(frames(20)))
    assert len(blocks) > 3
    decoded = mixtures.decode_trajectory(blocks, "full")
    assert [frame.iteration for frame in decoded] == list(range(20))


@pytest.mark.parametrize("n_arrays", [0, 1, 2, 4])
def test_another_number_of_arrays_is_no_mixture(n_arrays):
    value = encode_array(np.ones(1)) * n_arrays
    with pytest.raises(CorruptValueError):
        mixtures.decode_mixture(value, "full")


def test_arrays_that_do_not_fit_together_are_no_mixture():
    value = encode_array(np.ones(1)) * 3
    with pytest.raises(CorruptValueError):
        mixtures.decode_mixture(value, "full")
    with pytest.raises(CorruptValueError):
        mixtures.decode_trajectory([value], "full")


def kept_bytes(head=b"1"):
    return mixtures._kept_bytes(head, a_mixture())


def test_the_cache_forgets_what_was_not_asked_for_longest():
    cache = mixtures.MixtureCache(max_bytes=2 * kept_bytes())
    for model_id in ("a", "b"):
        cache.put(model_id, b"1", a_mixture())
    cache.get("a", b"1")
    cache.put("c", b"1", a_mixture())
    assert [cache.get(model_id, b"1") is None for model_id in "abc"] == [
        False,
        True,
        False,
    ]


def test_the_cache_is_empty_rather_than_too_large():
    cache = mixtures.MixtureCache(max_bytes=kept_bytes() - 1)
    cache.put("a", b"1", a_mixture())
    assert len(cache) == 0


def test_the_cache_knows_the_same_id_with_other_parameters_apart():
    cache = mixtures.MixtureCache()
    cache.put("a", b"1", a_mixture())
    assert cache.get("a", b"2") is None


def test_a_mixture_put_twice_counts_once():
    cache = mixtures.MixtureCache(max_bytes=2 * kept_bytes())
    for model_id in ("a", "b", "b", "b"):
        cache.put(model_id, b"1", a_mixture())
    assert len(cache) == 2


def test_a_model_renamed_again_and_again_is_kept_once():
    cache = mixtures.MixtureCache()
    for number in range(100):
        cache.put("a", b"%d" % number, a_mixture())
    assert len(cache) == 1
    assert cache.get("a", b"99") is not None
    assert cache.get("a", b"98") is None


def test_mixtures_that_take_next_to_nothing_are_bounded_too():
    """Each is some objects beside its numbers: three kilobytes, for these."""
    cache = mixtures.MixtureCache(max_bytes=1 << 20)
    for number in range(1000):
        cache.put(str(number), b"1", a_mixture())
    assert len(cache) < 350


def test_what_is_stored_beside_the_parameters_counts():
    cache = mixtures.MixtureCache(max_bytes=2 * kept_bytes())
    for model_id in "abc":
        cache.put(model_id, b"1" * kept_bytes(), a_mixture())
    assert len(cache) == 1
