"""`python -m commenda` is `commenda`."""

from commenda.cli import main

main()
