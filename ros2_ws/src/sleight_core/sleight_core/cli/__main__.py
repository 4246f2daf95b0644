"""`python -m sleight_core.cli` is `sleight`: for commands that call others with the same interpreter."""

from sleight_core.cli.main import main

if __name__ == "__main__":
    main()
