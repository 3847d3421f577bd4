"""Hierarchical risk parity: capital goes down a tree of what moves together.

López de Prado, "Building Diversified Portfolios that Outperform Out of Sample", Journal of
Portfolio Management 42(4), 2016: no matrix is inverted, so that neither errors nor near-copies of
a strategy blow up. Its three steps, as published:

1. a tree by single linkage over the Euclidean distances between columns of √((1 − ρ)/2);
2. strategies in the order of the tree's leaves;
3. from the whole down, each list is halved and its weight divided by the halves' variances, each
   held by inverse variance.
"""

from __future__ import annotations

import numpy as np

from commenda.portfolios.covariance import correlation
from commenda.portfolios.rules import Array


def hierarchical_weights(covariance: Array) -> Array:
    """Weights above 0 that add up to 1."""
    weights = np.ones(covariance.shape[0])
    lists = [leaves(distances(covariance))]
    while lists:
        whole = lists.pop()
        if len(whole) == 1:
            continue
        left, right = whole[: len(whole) // 2], whole[len(whole) // 2 :]
        risks = [_inverse_variance_risk(covariance, half) for half in (left, right)]
        weights[left] *= risks[1] / (risks[0] + risks[1])
        weights[right] *= risks[0] / (risks[0] + risks[1])
        lists += [left, right]
    found: Array = weights / weights.sum()
    return found


def distances(covariance: Array) -> Array:
    """How differently two strategies stand to all: 0 for copies."""
    apart = np.sqrt((1.0 - correlation(covariance)) / 2.0)
    found: Array = np.sqrt(((apart[:, None, :] - apart[None, :, :]) ** 2).sum(axis=2))
    return found


def leaves(apart: Array) -> list[int]:
    """The leaves of the single-linkage tree, neighbours beside each other.

    Of two that are joined the one that was there earlier stands first; equal distances join in the
    order in which the tree grew from the first strategy (Prim).
    """
    count = apart.shape[0]
    nearest = np.full(count, np.inf)
    joins, node, left = [], 0, set(range(1, count))
    while left:
        at = sorted(left)
        nearest[at] = np.minimum(nearest[at], apart[node, at])
        after = at[int(np.argmin(nearest[at]))]
        joins.append((float(nearest[after]), node, after))
        left.remove(after)
        node = after
    cluster = list(range(count))  # of each strategy
    members = {one: [one] for one in range(count)}
    for number, (_, one, other) in enumerate(sorted(joins, key=lambda join: join[0])):
        first, second = sorted((cluster[one], cluster[other]))
        members[count + number] = members.pop(first) + members.pop(second)
        for each in members[count + number]:
            cluster[each] = count + number
    (whole,) = members.values()
    return whole


def _inverse_variance_risk(covariance: Array, members: list[int]) -> float:
    inner = covariance[np.ix_(members, members)]
    weights = 1.0 / np.diag(inner)
    weights /= weights.sum()
    return float(weights @ inner @ weights)
