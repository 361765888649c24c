"""Mixtures and trajectories as stored values, and a cache of the mixtures read."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from threading import Lock

import numpy as np

from gmm_engine import GaussianMixture
from service.domain.models import Frame, Trajectory
from service.errors import CorruptValueError
from service.storage.codec import decode_arrays, encode_array, pack

MAX_FRAMES = 500
MAX_TRAJECTORY_BYTES = 64 << 20

_CACHE_BYTES = 256 << 20
_ENTRY_BYTES = 8 << 10
"""Of a mixture whose parameters take next to nothing."""


def encode_mixture(mixture: GaussianMixture) -> bytes:
    """Weights, means and covariances, one after another."""
    parameters = (mixture.weights, mixture.means, mixture.covariances)
    return b"".join(encode_array(parameter) for parameter in parameters)


def decode_mixture(value: bytes, covariance_type: str) -> GaussianMixture:
    try:
        weights, means, covariances = decode_arrays(value)
        return GaussianMixture(
            weights, means, covariances, covariance_type=covariance_type
        )
    except ValueError as error:
        raise CorruptValueError("Stored parameters are not a mixture's.") from error


def encode_trajectory(trajectory: Trajectory) -> Iterator[bytes]:
    """Blocks of frames, each (iteration, log_likelihood) and the mixture."""
    return pack(
        encode_array(np.array([frame.iteration, frame.log_likelihood]))
        + encode_mixture(frame.mixture)
        for frame in bounded(trajectory)
    )


def decode_trajectory(blocks: Iterable[bytes], covariance_type: str) -> Trajectory:
    return tuple(_frames(blocks, covariance_type))


def bounded(trajectory: Trajectory) -> Trajectory:
    """At most MAX_FRAMES frames and about MAX_TRAJECTORY_BYTES, evenly spread.

    The first and the last are always among them.
    """
    if not trajectory:
        return ()
    frame_bytes = max(_size_bytes(frame.mixture) for frame in trajectory)
    n_frames = max(2, min(MAX_FRAMES, MAX_TRAJECTORY_BYTES // frame_bytes))
    if len(trajectory) <= n_frames:
        return trajectory
    chosen = np.linspace(0, len(trajectory) - 1, n_frames).round().astype(int)
    return tuple(trajectory[i] for i in chosen)


class MixtureCache:
    """The mixtures read last, each with its stored head, up to a number of bytes.

    A head names the checksum of its mixture, and no two writes have the same: who has
    just read one need not look into it to know that this is still its mixture. One is
    shared by all tenants of a process, so that the bound is the process's.
    """

    def __init__(self, max_bytes: int = _CACHE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._size_bytes = 0
        self._read: OrderedDict[str, tuple[bytes, GaussianMixture]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: str, head: bytes) -> GaussianMixture | None:
        with self._lock:
            read_with, mixture = self._read.get(key, (b"", None))
            if mixture is None or read_with != head:
                return None
            self._read.move_to_end(key)
            return mixture

    def put(self, key: str, head: bytes, mixture: GaussianMixture) -> None:
        with self._lock:
            if key in self._read:
                self._size_bytes -= _kept_bytes(*self._read.pop(key))
            self._read[key] = head, mixture
            self._size_bytes += _kept_bytes(head, mixture)
            while self._size_bytes > self._max_bytes:
                _, oldest = self._read.popitem(last=False)
                self._size_bytes -= _kept_bytes(*oldest)

    def __len__(self) -> int:
        return len(self._read)


def _kept_bytes(head: bytes, mixture: GaussianMixture) -> int:
    """About what the cache keeps of a model: its mixture once more, ready for use."""
    return _ENTRY_BYTES + len(head) + 3 * _size_bytes(mixture)


def _frames(blocks: Iterable[bytes], covariance_type: str) -> Iterator[Frame]:
    try:
        for block in blocks:
            arrays = decode_arrays(block)
            # One iterator four times: each frame is four arrays in a row.
            for point, weights, means, covariances in zip(
                arrays, arrays, arrays, arrays, strict=True
            ):
                iteration, log_likelihood = point
                mixture = GaussianMixture(
                    weights, means, covariances, covariance_type=covariance_type
                )
                yield Frame(int(iteration), float(log_likelihood), mixture)
    except ValueError as error:
        raise CorruptValueError("A stored trajectory is not one of frames.") from error


def _size_bytes(mixture: GaussianMixture) -> int:
    parameters = (mixture.weights, mixture.means, mixture.covariances)
    return sum(parameter.nbytes for parameter in parameters)
