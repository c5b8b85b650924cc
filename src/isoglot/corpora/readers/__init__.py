"""How files of each format are read: one module a format, used by every command that reads a corpus."""
