import numpy as np
import pytest

from service.domain.pages import PageRequest
from service.errors import DatasetNotFoundError, IdTakenError
from tests.records import a_dataset, some_rows


def test_a_stored_dataset_comes_back_equal(datasets):
    dataset = a_dataset()
    datasets.add(dataset, some_rows())
    assert datasets.get("d1") == dataset


def test_a_dataset_without_name_and_columns_comes_back_equal(datasets):
    dataset = a_dataset(name=None, columns=None)
    datasets.add(dataset, some_rows())
    assert datasets.get("d1") == dataset


@pytest.mark.parametrize("shape", [(1, 1), (5, 2), (150_001, 3), (3, 200_000)])
def test_rows_come_back_bit_by_bit_from_one_block_or_several(datasets, shape):
    rows = some_rows(*shape)
    datasets.add(a_dataset(rows=rows), rows)
    np.testing.assert_array_equal(datasets.rows("d1"), rows, strict=True)


def test_rows_in_any_memory_order_come_back_c_ordered(datasets):
    rows = np.asfortranarray(some_rows(7, 3))[::2]
    datasets.add(a_dataset(rows=rows), rows)
    found = datasets.rows("d1")
    np.testing.assert_array_equal(found, rows)
    assert found.flags.c_contiguous


def test_extreme_numbers_keep_every_bit(datasets):
    rows = np.array([[-0.0, 5e-324], [1.7976931348623157e308, 1 / 3]])
    datasets.add(a_dataset(rows=rows), rows)
    assert datasets.rows("d1").tobytes() == rows.tobytes()


def test_a_renewed_dataset_is_as_it_was(datasets):
    datasets.add(a_dataset(), some_rows())
    datasets.renew("d1")
    assert datasets.get("d1") == a_dataset()


@pytest.mark.parametrize("dataset_id", ["nowhere", "", "d1:0", "*", "Ünï\n\0"])
def test_an_unknown_dataset_is_not_found(datasets, dataset_id):
    datasets.add(a_dataset(), some_rows())
    for ask in (datasets.get, datasets.rows, datasets.delete):
        with pytest.raises(DatasetNotFoundError):
            ask(dataset_id)


def test_a_deleted_dataset_is_gone_with_its_rows_and_from_the_list(datasets):
    datasets.add(a_dataset(), some_rows())
    datasets.delete("d1")
    for ask in (datasets.get, datasets.rows, datasets.delete):
        with pytest.raises(DatasetNotFoundError):
            ask("d1")
    assert datasets.list(PageRequest(10)).items == ()


def test_a_second_dataset_with_the_same_id_is_refused(datasets):
    datasets.add(a_dataset(), some_rows())
    with pytest.raises(IdTakenError):
        datasets.add(a_dataset(name="another"), some_rows())
    assert datasets.get("d1") == a_dataset()
