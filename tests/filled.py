"""What a report's page was filled in with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

BEGIN = '<script type="application/json" id="report">'


def filled(page: Path) -> Any:
    """The data that a one-file report shows."""
    _, _, rest = page.read_text("utf-8").partition(BEGIN)
    return json.loads(rest.partition("</script>")[0])
