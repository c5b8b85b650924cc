"""The models that come with isoglot."""
