"""What the machine does by itself: ten abilities, one orchestrator, decisions that can be read.

ABILITIES (`abilities.py`) has a row for each. An ability looks at something, decides by a pure rule
from the evidence that it stores, passes the gate (`orchestrator.py`), acts through a verb that
people have, too, and measures what came of it. How far it may go by itself is a dated setting
(`settings.py`): off, recommending or acting, on the platform and with each strategy; a budget of
actions a day; whether a person says yes to each. Less takes one person, more takes two.

A decision keeps its evidence, its rule's version, its reasons, each of its steps, what led to it
and what it made (`decisions.py`): it can be decided again, taken back, and found from an order.
"""

from commenda.automation.abilities import (
    ABILITIES,
    ability_named,
    carry_out_asked,
    carry_out_limits,
    heed_events,
    measure_all,
)
from commenda.automation.checks import CHECKS
from commenda.automation.decisions import (
    DecisionWhole,
    chain_of_order,
    counts_by_state,
    decision_by_id,
    decisions_where,
    link,
    whole_of,
)
from commenda.automation.model import (
    RULES,
    Ability,
    Decision,
    Done,
    Evidence,
    Mode,
    Proposal,
    Seen,
    Setting,
    SettingOrder,
    State,
    Terms,
)
from commenda.automation.orchestrator import (
    ACTION,
    accept,
    decide,
    give_up_action,
    look_at,
    measure,
    measure_effects,
    replays,
    run_ability,
    to_measure,
    turn_down,
    undo,
)
from commenda.automation.settings import (
    SETTING,
    order_setting,
    put_setting,
    restrict,
    setting_changes,
    settings_in_force,
    settings_of,
)
from commenda.automation.views import AbilityView, ability_views
from commenda.automation.watch import watch_waiting

__all__ = [
    "ABILITIES",
    "ACTION",
    "CHECKS",
    "RULES",
    "SETTING",
    "Ability",
    "AbilityView",
    "Decision",
    "DecisionWhole",
    "Done",
    "Evidence",
    "Mode",
    "Proposal",
    "Seen",
    "Setting",
    "SettingOrder",
    "State",
    "Terms",
    "ability_named",
    "ability_views",
    "accept",
    "carry_out_asked",
    "carry_out_limits",
    "chain_of_order",
    "counts_by_state",
    "decide",
    "decision_by_id",
    "decisions_where",
    "give_up_action",
    "heed_events",
    "link",
    "look_at",
    "measure",
    "measure_all",
    "measure_effects",
    "order_setting",
    "put_setting",
    "replays",
    "restrict",
    "run_ability",
    "setting_changes",
    "settings_in_force",
    "settings_of",
    "to_measure",
    "turn_down",
    "undo",
    "watch_waiting",
    "whole_of",
]
