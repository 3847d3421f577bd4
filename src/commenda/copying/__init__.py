"""Creators share flows; their signals are copied into the books that follow them.

A **signal** is one instrument of one flow: what the creator did and the exposure that resulted.
The creator's own book is a leg among its followers' (*together*): one parent order, one price,
the signal published when it trades, so that nobody is run ahead of. The default mode moves each
leg to the creator's exposure, so a missed or partial signal heals at the next one.

A copy is left by asking (`request_leave`); `books` really closes it and pays it back. What a
flow shows of itself (`update_flow_stats`) is the record of its creator's own book.
"""

from commenda.copying.actions import copy_signal, publish_signal
from commenda.copying.checks import CHECKS
from commenda.copying.decisions import Decided
from commenda.copying.flow_lists import FlowLists
from commenda.copying.flow_views import flow_nav
from commenda.copying.flows import share_flow
from commenda.copying.following import (
    NewFollower,
    attach_legs,
    detach_legs,
    follow,
    follow_with,
    require_room,
    resize_legs,
)
from commenda.copying.jobs import (
    COPY_SIGNAL,
    SIGNALS,
    copy_signal_workflow,
    enqueue_copy,
    workflow_of,
)
from commenda.copying.leaving import COPIES, request_leave
from commenda.copying.model import CopyMode, Entry, Flow, FollowSettings, Signal
from commenda.copying.performance import performance, update_flow_stats
from commenda.copying.queries import (
    asset_of,
    find_flow,
    open_flow_ids,
    planned,
    repeat_targets,
    take_waiting,
    unfinished_exits,
    unprocessed,
)
from commenda.copying.rules import LATE
from commenda.copying.runner import (
    RUNNER_CASH,
    SEEN,
    Move,
    Runner,
    load_runner,
    move_of,
    save_runners,
    signal_key,
)
from commenda.copying.stepping import (
    Runners,
    publish_at_open,
    publish_targets,
    repeat_exits,
    step_flows,
    tell_uncopied,
    unprocessed_signals,
)
from commenda.copying.terms import (
    OWN,
    Change,
    TermsVersion,
    change_terms,
    changes_after,
    must_be_automatic,
    program_of,
    restore_terms,
    strategy_of,
    versions_of,
)

__all__ = [
    "CHECKS",
    "COPIES",
    "COPY_SIGNAL",
    "LATE",
    "OWN",
    "RUNNER_CASH",
    "SEEN",
    "SIGNALS",
    "Change",
    "CopyMode",
    "Decided",
    "Entry",
    "Flow",
    "FlowLists",
    "FollowSettings",
    "Move",
    "NewFollower",
    "Runner",
    "Runners",
    "Signal",
    "TermsVersion",
    "asset_of",
    "attach_legs",
    "change_terms",
    "changes_after",
    "copy_signal",
    "copy_signal_workflow",
    "detach_legs",
    "enqueue_copy",
    "find_flow",
    "flow_nav",
    "follow",
    "follow_with",
    "load_runner",
    "move_of",
    "must_be_automatic",
    "open_flow_ids",
    "performance",
    "planned",
    "program_of",
    "publish_at_open",
    "publish_signal",
    "publish_targets",
    "repeat_exits",
    "repeat_targets",
    "request_leave",
    "require_room",
    "resize_legs",
    "restore_terms",
    "save_runners",
    "share_flow",
    "signal_key",
    "step_flows",
    "strategy_of",
    "take_waiting",
    "tell_uncopied",
    "unfinished_exits",
    "unprocessed",
    "unprocessed_signals",
    "update_flow_stats",
    "versions_of",
    "workflow_of",
]
