"""`python -m mars_lib.cli`, also under torchrun."""

from mars_lib.cli.app import main

main()
