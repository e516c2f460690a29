import numpy as np

from research.reports import bootstrap


def test_one_value_has_no_interval():
    assert bootstrap.mean_interval([0.5]) is None
    assert bootstrap.difference_interval([0.5], [0.4, 0.6], paired=False) is None


def test_the_interval_covers_the_mean_about_as_often_as_it_says():
    generator = np.random.default_rng(0)
    draws = generator.normal(3.0, 2.0, size=(300, 10))
    intervals = [bootstrap.mean_interval(values) for values in draws]
    covered = np.mean([low <= 3.0 <= high for low, high in intervals])
    assert 0.88 < covered < 0.98, covered


def test_equal_seeds_are_compared_pair_by_pair():
    # Seeds differ far more than the two settings do.
    a = [1.0, 5.0, 9.0, 3.0, 7.0]
    b = [value + 0.1 for value in a]
    low, high = bootstrap.difference_interval(a, b, paired=True)
    assert abs(low - 0.1) < 1e-9 and abs(high - 0.1) < 1e-9
    low, high = bootstrap.difference_interval(a, b, paired=False)
    assert low < -1 and high > 1


def test_the_same_values_give_the_same_interval():
    values = [0.1, 0.4, 0.3]
    assert bootstrap.mean_interval(values) == bootstrap.mean_interval(values)
