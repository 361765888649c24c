"""Metrics of requests, fits, workers and the store, for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Iterator

from flask import Flask, Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.api.blueprint import Blueprint
from service.api.current import current_globals, current_request
from service.api.options import ApiOptions
from service.errors import ServiceError
from service.ports import CensusTaker

_DESCRIPTION = """\
Metrics in the text format of Prometheus.

Of this process: `gmm_http_requests_total` and `gmm_http_request_seconds` by `route` and
`method`, the first by `status` as well; `gmm_http_requests_in_flight`.

Of the store, so equal for all processes that share it: `gmm_store_up` (0: it does not
answer, and what follows is left out), `gmm_fits_queued`, `gmm_fits_running`,
`gmm_fits_ended_total` by `status`, `gmm_workers`.
"""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


# For all of the process: a gauge beside each counter, of when it began.
disable_created_metrics()  # type: ignore[no-untyped-call]


class RequestMetrics:
    """Counts and times the requests of one app, by route and not by path."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._requests = Counter(
            "gmm_http_requests",
            "Requests answered.",
            ("route", "method", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "gmm_http_request_seconds",
            "Seconds until the answer began.",
            ("route", "method"),
            registry=registry,
        )
        self._in_flight = Gauge(
            "gmm_http_requests_in_flight",
            "Requests being answered, streams until their first byte.",
            registry=registry,
        )
        self._found: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def register(self, app: Flask) -> None:
        @app.before_request
        def begin() -> None:
            current_globals().metrics_started = time.perf_counter()
            self._in_flight.inc()

        @app.after_request
        def count(response: Response) -> Response:
            request = current_request()
            # Only known words become labels: a client must not make new ones.
            route = request.url_rule.rule if request.url_rule else "unmatched"
            method = request.method if request.method in _METHODS else "other"
            requests, seconds = self._of(route, method, response.status_code)
            requests.inc()
            seconds.observe(time.perf_counter() - current_globals().metrics_started)
            return response

        @app.teardown_request
        def end(error: BaseException | None) -> None:
            # Once only: a test client may tear a request down twice.
            if current_globals().pop("metrics_started", None) is not None:
                self._in_flight.dec()

    def _of(self, route: str, method: str, status: int) -> tuple[Counter, Histogram]:
        """The two metrics with these labels: to find them takes a lock and a while."""
        labels = (route, method, status)
        found = self._found.get(labels)
        if found is None:
            found = self._found[labels] = (
                self._requests.labels(route, method, str(status)),
                self._seconds.labels(route, method),
            )
        return found


class CensusMetrics(Collector):
    """Counts fits and workers when asked; while the store is away, only tells that."""

    def __init__(self, taker: CensusTaker) -> None:
        self._taker = taker

    def collect(self) -> Iterator[Metric]:
        up = "Whether the store answered while this was written."
        try:
            census = self._taker.take_census()
        except ServiceError:
            yield GaugeMetricFamily("gmm_store_up", up, 0)
            return
        yield GaugeMetricFamily("gmm_store_up", up, 1)
        yield GaugeMetricFamily(
            "gmm_fits_queued", "Fits that wait for a worker.", census.n_queued
        )
        yield GaugeMetricFamily(
            "gmm_fits_running", "Fits being computed.", census.n_running
        )
        yield GaugeMetricFamily(
            "gmm_workers", "Workers heard of in the last seconds.", census.n_workers
        )
        ended = CounterMetricFamily(
            "gmm_fits_ended",
            "Fits that ended, by status, since the store is there.",
            labels=("status",),
        )
        for status, number in census.n_ended.items():
            ended.add_metric((status,), number)
        yield ended


def metrics_blueprint(metrics: RequestMetrics, options: ApiOptions) -> Blueprint:
    blueprint = Blueprint(
        "metrics", options, description="Counts and times, for Prometheus."
    )

    @blueprint.get("/metrics")
    @blueprint.response(
        200,
        {"type": "string"},
        content_type="text/plain",
        description=_DESCRIPTION,
    )
    def show_metrics() -> Response:
        """Return counts and times of this process, and counts of the whole store."""
        return Response(
            generate_latest(metrics.registry), content_type=CONTENT_TYPE_LATEST
        )

    return blueprint
