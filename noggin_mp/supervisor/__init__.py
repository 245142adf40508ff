"""The parent process: fork, wait, signal, account; nothing else."""
