"""Run the command line as `python -m noggin_mp`."""

from noggin_mp.cli import main

if __name__ == "__main__":
    main.entry()
