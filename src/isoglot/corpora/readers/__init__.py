"""How files of each format are read, one module a format; every command that reads a corpus reads it here.

Readers of formats with many documents in a file yield (line number, fields); `isoglot.corpora.fields` says what the
fields mean. Readers of files that are one document each return an `Extracted`.
"""
