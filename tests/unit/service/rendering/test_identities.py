import numpy as np

from service.rendering.geometry.identities import identities

THREE = np.array([[0.0, 0], [5, 5], [9, 0]])


def numbers(*means):
    return [of_frame.tolist() for of_frame in identities(means)]


def test_components_stay_in_place_while_their_number_stays():
    assert numbers(THREE, THREE[::-1]) == [[0, 1, 2], [0, 1, 2]]


def test_the_last_frame_is_numbered_as_the_model_is():
    """Also where a component was dropped on the way: the others move up."""
    assert numbers(THREE, THREE[[0, 2]] + 0.1) == [[0, 2, 1], [0, 1]]


def test_a_new_component_gets_a_new_number():
    assert numbers(THREE[:2], THREE) == [[0, 1], [0, 1, 2]]


def test_the_number_of_a_dropped_component_is_not_given_to_another():
    assert numbers(THREE, THREE[:1], THREE) == [[0, 3, 4], [0], [0, 1, 2]]


def test_the_nearest_pair_is_matched_first():
    assert numbers(np.array([[0.0], [4.0]]), np.array([[3.0]])) == [[1, 0], [0]]
