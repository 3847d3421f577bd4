"""What an investor earned over any period: one answer from the ledger and the books.

    gain = worth after − worth before − paid in + paid out
         = gain before fees − fees + income + covered by insurance

Everything but the worth of open positions is a sum of the investor's own entries; open books count
at the latest marks now, and at their last daily value at a moment that is past. `rules.py` has the
two rates (TWR and XIRR), `queries.py` what is read of each domain.
"""

from commenda.earnings.model import Earned, Fees, Gained, Worth
from commenda.earnings.queries import earned

__all__ = ["Earned", "Fees", "Gained", "Worth", "earned"]
