"""Metrics of requests, for Prometheus."""

from __future__ import annotations

import time

from flask import Flask, Response, g, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

from service.api.blueprint import Blueprint
from service.api.options import ApiOptions

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


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

    def register(self, app: Flask) -> None:
        @app.before_request
        def begin() -> None:
            g.metrics_started = time.perf_counter()
            self._in_flight.inc()

        @app.after_request
        def count(response: Response) -> Response:
            # Only known words become labels: a client must not make new ones.
            route = request.url_rule.rule if request.url_rule else "unmatched"
            method = request.method if request.method in _METHODS else "other"
            self._requests.labels(route, method, str(response.status_code)).inc()
            seconds = time.perf_counter() - g.metrics_started
            self._seconds.labels(route, method).observe(seconds)
            return response

        @app.teardown_request
        def end(error: BaseException | None) -> None:
            # Once only: a test client may tear a request down twice.
            if g.pop("metrics_started", None) is not None:
                self._in_flight.dec()


def metrics_blueprint(metrics: RequestMetrics, options: ApiOptions) -> Blueprint:
    blueprint = Blueprint(
        "metrics", options, description="Counts and times, for Prometheus."
    )

    @blueprint.get("/metrics")
    @blueprint.response(
        200,
        {"type": "string"},
        content_type="text/plain",
        description="Metrics in the text format of Prometheus.",
    )
    def show_metrics() -> Response:
        """Return counts and times of the requests to this process."""
        return Response(
            generate_latest(metrics.registry), content_type=CONTENT_TYPE_LATEST
        )

    return blueprint
