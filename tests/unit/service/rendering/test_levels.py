import numpy as np

from service.rendering.geometry.levels import levels


def placed(middles, width=10.0):
    return levels(np.array(middles), np.full(len(middles), width)).tolist()


def test_labels_with_room_between_them_stay_on_the_lowest_level():
    assert placed([0.0, 10, 25, -30]) == [0, 0, 0, 0]


def test_a_label_is_raised_where_it_would_lie_on_another():
    assert placed([0.0, 6, 12]) == [0, 1, 0]
    assert placed([12.0, 6, 0]) == [0, 1, 0]


def test_as_many_as_stand_at_one_place_are_stacked():
    assert sorted(placed([5.0] * 4)) == [0, 1, 2, 3]


def test_nothing_is_placed_where_there_is_nothing():
    assert placed([]) == []
