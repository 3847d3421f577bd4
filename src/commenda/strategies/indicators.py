"""Incremental indicators: each remembers what it needs in a slice of a step's state array.

A memory starts as zeros and belongs to one indicator. Every function takes the new value, updates
the memory and returns the indicator; none looks back at prices it did not keep.
"""

from __future__ import annotations

import math

import numpy as np

from commenda.kernel import inlined, plain

EMA_SIZE = 2
FLAT = 1e-9
"""A window whose deviation is a smaller part of its mean varies by nothing but rounding."""


@plain
def window_size(length: int) -> int:
    """Memory that `zscore` needs for a window of `length` values."""
    return 4 + length


@plain
def extreme_size(length: int) -> int:
    """Memory that `highest` and `lowest` need for a window of `length` values."""
    return 3 + 2 * length


@inlined
def ema(memory, value, length):  # type: ignore[no-untyped-def]
    """Exponential average with weight 2 / (length + 1) for the newest, seeded by the first."""
    if memory[1] == 0.0:
        memory[0] = value
    else:
        memory[0] += 2.0 / (length + 1.0) * (value - memory[0])
    memory[1] += 1.0
    return memory[0]


@inlined
def zscore(memory, value, length):  # type: ignore[no-untyped-def]
    """Population deviations of `value` from the mean of the last `length` values, it included.

    NaN until the window is full, or while it does not vary (see FLAT). Mean and sum of squares
    move with the window and are summed anew once a turn of the ring, so that rounding cannot
    build up.
    """
    count, mean, squares = memory[0], memory[1], memory[2]
    slot = int(memory[3])
    window = memory[4 : 4 + length]
    left = window[slot]
    window[slot] = value
    if count < length:
        count += 1.0
        shift = (value - mean) / count
        squares += (value - mean) * (value - mean - shift)
    else:
        shift = (value - left) / length
        squares += (value - left) * (value - mean - shift + left - mean)
    mean += shift
    slot += 1
    if slot == length:
        slot = 0
        mean = total(window) / length
        squares = squared_distance(window, mean)
    memory[0], memory[1], memory[2], memory[3] = count, mean, squares, slot
    if count < length or squares <= length * (FLAT * mean) ** 2:
        return np.nan
    return (value - mean) / math.sqrt(squares / length)


@inlined
def total(values):  # type: ignore[no-untyped-def]
    """Sum from left to right."""
    result = 0.0
    for value in values:
        result += value
    return result


@inlined
def squared_distance(values, centre):  # type: ignore[no-untyped-def]
    """Sum of squared distances from `centre`, from left to right."""
    result = 0.0
    for value in values:
        result += (value - centre) * (value - centre)
    return result


@inlined
def highest(memory, value, length):  # type: ignore[no-untyped-def]
    """Greatest of the last `length` values, itself included; of all so far while they are fewer.

    A queue of the values that may yet be the greatest, falling from its head, in a ring: each
    value enters and leaves once, so that a bar costs O(1) on average whatever the length.
    """
    count, head, size = memory[0], int(memory[1]), int(memory[2])
    values = memory[3 : 3 + length]
    born = memory[3 + length : 3 + 2 * length]
    if size > 0 and born[head] <= count - length:
        head = 0 if head + 1 == length else head + 1
        size -= 1
    # The queue's end, wrapped by comparison: a division would cost more than all the rest.
    end = head + size if head + size < length else head + size - length
    while size > 0:
        last = end - 1 if end > 0 else length - 1
        if values[last] > value:
            break
        end = last
        size -= 1
    values[end] = value
    born[end] = count
    memory[0], memory[1], memory[2] = count + 1.0, head, size + 1.0
    return values[head]


@inlined
def lowest(memory, value, length):  # type: ignore[no-untyped-def]
    """Least of the last `length` values, as `highest`."""
    return -highest(memory, -value, length)
