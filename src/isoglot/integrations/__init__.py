"""isoglot inside other libraries' training and evaluation."""
