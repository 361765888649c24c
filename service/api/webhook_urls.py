"""The URL that a client wants to be told at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields

from service.api.wording import shown
from service.domain.webhook_targets import (
    MAX_URL_LENGTH,
    RefusedTargetError,
    TargetRules,
    parse_target,
)


class WebhookUrl(fields.String):
    """A URL that webhooks may go to; without rules, none is."""

    def __init__(self, rules: TargetRules | None) -> None:
        description = (
            "Where a signed message is posted when the fit has ended, where this "
            "service has webhooks; https."
        )
        super().__init__(
            allow_none=True,
            metadata={
                "description": description,
                "format": "uri",
                "maxLength": MAX_URL_LENGTH,
            },
        )
        self.rules = rules

    def _deserialize(
        self,
        value: Any,
        attr: str | None,
        data: Mapping[str, Any] | None,
        **kwargs: Any,
    ) -> str:
        if not isinstance(value, str):
            raise ValidationError(f"{attr} is {shown(value)}; give a URL.")
        if self.rules is None:
            raise ValidationError(
                f"{attr} is given, but webhooks are off here; leave it out, or ask "
                "the operator to set GMM_WEBHOOK_SECRET."
            )
        try:
            parse_target(value, self.rules)
        except RefusedTargetError as error:
            raise ValidationError(f"{attr} {error}") from error
        return value
