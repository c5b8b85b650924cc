"""Bootstrap intervals and tests of significance."""
