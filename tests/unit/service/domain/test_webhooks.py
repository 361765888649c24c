from datetime import timedelta

import pytest

from service.domain.webhooks import (
    RETRY_DELAYS,
    Attempt,
    Webhook,
    WebhookState,
    parse_secrets,
)
from tests.receiver import OTHER_SECRET, SECRET

REFUSED = Attempt(500, "The receiver answered 500.")


def test_an_answer_of_success_ends_the_matter():
    webhook = Webhook("https://a.example/").tried(REFUSED).tried(Attempt(204))
    assert webhook == Webhook("https://a.example/", WebhookState.DELIVERED, 2, None)


def test_a_receiver_that_is_gone_is_not_asked_again():
    webhook = Webhook("https://a.example/").tried(Attempt(410, "Gone."))
    assert webhook == Webhook("https://a.example/", WebhookState.FAILED, 1, "Gone.")


def test_ten_attempts_over_three_days_fail_then_it_is_given_up():
    webhook, delays = Webhook("https://a.example/"), []
    while (webhook := webhook.tried(REFUSED)).status is WebhookState.PENDING:
        delays.append(webhook.next_delay(REFUSED, jitter=0.0))
    assert tuple(delays) == RETRY_DELAYS
    assert sum(delays, timedelta(0)) == timedelta(hours=75, minutes=35, seconds=5)
    assert (webhook.status, webhook.attempts) == (WebhookState.FAILED, 10)
    assert webhook.last_error == "The receiver answered 500."


def test_jitter_only_lengthens_a_delay_and_not_by_much():
    webhook = Webhook("https://a.example/").tried(REFUSED)
    assert webhook.next_delay(REFUSED, jitter=0.0) == timedelta(seconds=5)
    assert webhook.next_delay(REFUSED, jitter=1.0) == timedelta(seconds=6)


@pytest.mark.parametrize(
    ("asked", "delay"),
    [
        (timedelta(seconds=1), timedelta(seconds=5)),
        (timedelta(minutes=2), timedelta(minutes=2)),
        (timedelta(days=100), timedelta(days=1)),
    ],
)
def test_a_receiver_may_ask_for_more_time_but_not_for_ever(asked, delay):
    attempt = Attempt(429, "The receiver answered 429.", asked)
    webhook = Webhook("https://a.example/").tried(attempt)
    assert webhook.next_delay(attempt, jitter=0.0) == delay


def test_secrets_are_keys_in_base64():
    first, second = parse_secrets(f"{SECRET}, {OTHER_SECRET}")
    assert (len(first), len(second)) == (24, 24)
    assert first != second


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        "whsec_",
        "whsec_c2hvcnQ=",
        SECRET.removeprefix("whsec_"),
        SECRET + ",",
        SECRET[:-1],
        f"{SECRET} {OTHER_SECRET}",
        "whsec_" + "A" * 88,
        "whsec_" + "é" * 32,
    ],
)
def test_what_is_no_secret_is_refused_without_being_repeated(text):
    with pytest.raises(ValueError, match="Expected whsec_") as refusal:
        parse_secrets(text)
    assert SECRET not in str(refusal.value)
