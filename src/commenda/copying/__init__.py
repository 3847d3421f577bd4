"""Creators share flows; their signals are copied into the books that follow them.

A **signal** is one instrument of one flow: what the creator did and the exposure that resulted.
The creator's own book is a leg among its followers' (*together*): one parent order, one price,
the signal published when it trades, so that nobody is run ahead of. The default mode moves each
leg to the creator's exposure, so a missed or partial signal heals at the next one.
"""

from commenda.copying.actions import (
    NewFollower,
    attach_legs,
    copy_signal,
    follow,
    publish_signal,
    share_flow,
)
from commenda.copying.checks import CHECKS
from commenda.copying.jobs import (
    COPY_SIGNAL,
    SIGNALS,
    copy_signal_workflow,
    enqueue_copy,
    workflow_of,
)
from commenda.copying.model import CopyMode, Flow, Signal
from commenda.copying.queries import planned, unfinished_exits, unprocessed
from commenda.copying.runner import Move, Runner, load_runner, save_runners, signal_key

__all__ = [
    "CHECKS",
    "COPY_SIGNAL",
    "SIGNALS",
    "CopyMode",
    "Flow",
    "Move",
    "NewFollower",
    "Runner",
    "Signal",
    "attach_legs",
    "copy_signal",
    "copy_signal_workflow",
    "enqueue_copy",
    "follow",
    "load_runner",
    "planned",
    "publish_signal",
    "save_runners",
    "share_flow",
    "signal_key",
    "unfinished_exits",
    "unprocessed",
    "workflow_of",
]
