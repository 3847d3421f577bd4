"""Running the business: proof that it is sound, and how its daily work is ordered."""

from commenda.operations.verify import CHECKS, verify

__all__ = ["CHECKS", "verify"]
