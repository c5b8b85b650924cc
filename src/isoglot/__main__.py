"""``python -m isoglot``, which ``torchrun -m isoglot`` needs."""

from isoglot.cli import main

if __name__ == "__main__":
    main()
