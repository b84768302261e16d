"""`python -m dsl` is the command `dsl`."""

from dsl.cli import main

main()
