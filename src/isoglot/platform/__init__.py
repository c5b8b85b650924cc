"""What every other room stands on: errors, files, languages, progress, the hub and package downloads."""
