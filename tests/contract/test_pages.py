"""Lists are the same for all kinds of records; datasets, fits and models take turns."""

import pytest

from service.domain.pages import PageRequest
from service.errors import InvalidRequestError
from tests.records import (
    a_dataset,
    a_fit,
    a_fitted_model,
    a_model,
    later,
    some_rows,
)


def all_pages(repository, limit):
    pages = [repository.list(PageRequest(limit))]
    while pages[-1].next is not None:
        pages.append(repository.list(PageRequest(limit, pages[-1].next)))
    return [[item.id for item in page.items] for page in pages]


def add_fits(fits, *ids_and_times):
    for fit_id, seconds in ids_and_times:
        fits.add(a_fit(fit_id, created_at=later(seconds)))


def test_an_empty_list_is_one_page_without_a_next(fits):
    assert all_pages(fits, 10) == [[]]


def test_the_newest_comes_first(datasets):
    for number in (2, 1, 3):
        dataset = a_dataset(f"d{number}", created_at=later(number))
        datasets.add(dataset, some_rows())
    assert all_pages(datasets, 10) == [["d3", "d2", "d1"]]


def test_the_items_of_a_list_are_whole(models):
    models.add(a_fitted_model())
    assert models.list(PageRequest(10)).items == (a_model(),)


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
def test_pages_of_any_size_show_each_item_once(fits, limit):
    add_fits(fits, ("a", 0), ("b", 1), ("c", 1), ("d", 2))
    shown = [fit_id for page in all_pages(fits, limit) for fit_id in page]
    assert sorted(shown) == ["a", "b", "c", "d"]
    assert shown[0] == "d"
    assert shown[-1] == "a"


def test_a_full_last_page_has_no_next(fits):
    add_fits(fits, ("a", 0), ("b", 1))
    assert [len(page) for page in all_pages(fits, 2)] == [2]


def test_items_of_the_same_moment_are_told_apart(fits):
    add_fits(fits, *((f"f{number}", 0) for number in range(7)))
    shown = [fit_id for page in all_pages(fits, 3) for fit_id in page]
    assert sorted(shown) == [f"f{number}" for number in range(7)]


def test_a_cursor_is_stable_under_additions_also_of_the_same_moment(fits):
    add_fits(fits, ("b", 1), ("d", 1), ("a", 0))
    first = fits.list(PageRequest(2))
    add_fits(fits, ("z", 1), ("newest", 2))
    second = fits.list(PageRequest(2, first.next))
    assert [fit.id for fit in first.items + second.items] == ["d", "b", "a"]


def test_a_cursor_survives_the_deletion_of_the_item_it_came_from(models):
    for number in range(4):
        models.add(a_fitted_model(f"m{number}", created_at=later(number)))
    first = models.list(PageRequest(2))
    models.delete("m2")
    second = models.list(PageRequest(2, first.next))
    assert [model.id for model in second.items] == ["m1", "m0"]


@pytest.mark.parametrize("cursor", ["", "nonsense", "!!!!", "é", "AAAA", "e30="])
def test_what_is_no_cursor_is_refused(datasets, cursor):
    with pytest.raises(InvalidRequestError):
        datasets.list(PageRequest(10, cursor))
