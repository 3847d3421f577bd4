"""What stops the opening of positions, and says so.

A **breaker** is opened by a person (the kill switch) or by what is measured. While it is open
nothing is opened or increased of what it covers: the platform, an account at a venue, an
instrument, a strategy, a flow, a creator's part of all books, or one book. Exits always go on.
"""

from commenda.risk.breakers import (
    COVERS,
    KILL,
    RESUME,
    Breaker,
    BreakerChange,
    Standing,
    breakers,
    carry_out_resume,
    changes_of,
    find_breaker,
    request_resume,
    resume_changes,
    trip,
)
from commenda.risk.model import Effect, Level
from commenda.risk.switch import SENDING, any_open, senders, sign_of

__all__ = [
    "COVERS",
    "KILL",
    "RESUME",
    "SENDING",
    "Breaker",
    "BreakerChange",
    "Effect",
    "Level",
    "Standing",
    "any_open",
    "breakers",
    "carry_out_resume",
    "changes_of",
    "find_breaker",
    "request_resume",
    "resume_changes",
    "senders",
    "sign_of",
    "trip",
]
