"""What every other room builds on: errors, files, languages, text, progress, the hub and package downloads."""
