"""`python -m zoo`, and with it `torchrun -m zoo`: the command line."""

from zoo.cli import main

if __name__ == "__main__":
    main()
