"""What every domain stands on: the database, money, time, ids, errors and durable work.

Nothing here knows what an investor or a strategy is.
"""
