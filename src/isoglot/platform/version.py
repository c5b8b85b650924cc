"""The version of isoglot, which every result records, and where isoglot is from."""

__version__ = "0.1.0"
HOMEPAGE = "https://github.com/isoglot/isoglot"
