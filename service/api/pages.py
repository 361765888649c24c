"""Pages of a list, with a Link to the next."""

from __future__ import annotations

from typing import Any

from flask import request, url_for

from service.domain.pages import Page, PageRequest


def page_request(arguments: dict[str, Any]) -> PageRequest:
    return PageRequest(arguments["limit"], arguments.get("cursor"))


def with_link(page: Page[Any]) -> tuple[Page[Any], dict[str, str]]:
    """Return the page and its Link header; the last page has none."""
    if page.next is None:
        return page, {}
    query = request.args.to_dict() | {"cursor": page.next}
    target = url_for(str(request.endpoint), **query)  # type: ignore[arg-type]
    return page, {"Link": f'<{target}>; rel="next"'}
