"""Run the command line as `python -m noggin_mp`."""

from noggin_mp.cli import start

if __name__ == "__main__":
    start.entry()
