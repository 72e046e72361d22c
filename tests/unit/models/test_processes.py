"""Groups of processes."""

from bias_amplification.models.processes import Group


def test_a_process_by_itself_is_a_group_of_one():
    assert Group.here() == Group(0, 1)
    assert Group().own([1, 2]) == [1, 2]
    assert Group().largest(0, 15) == [0, 15]


def test_shares_of_a_batch():
    assert [Group(rank, 2).own([1, 2, 4]) for rank in range(2)] == [[1, 4], [2]]
    assert Group(1, 2).own([7]) == []
