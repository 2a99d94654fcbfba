"""``python -m datastill`` is the command ``datastill``."""

from datastill.cli import main

main()
