"""A database that the last version made, left in the middle of everything, and how it is read.

`make.py`, `business.py` and `writing.py` made it by that version's code: `database.sql.gz` holds
its rows as COPY statements, `expected.json` what the same version paid when it went on. `story.py`
is the market of both, and `today.py` all that the test asks of the code beside it.
"""
