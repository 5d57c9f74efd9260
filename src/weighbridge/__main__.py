"""`python -m weighbridge`: the program without an installation, as isolated environments run it."""

from weighbridge.cli import main

main()
