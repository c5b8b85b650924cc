"""``python -m isoglot``; ``torchrun -m isoglot`` needs it."""

from isoglot.cli import main

if __name__ == "__main__":
    main()
