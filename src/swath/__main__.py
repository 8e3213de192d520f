"""`python -m swath` is `swath`."""

from swath.doors.cli import main

if __name__ == "__main__":
    main()
