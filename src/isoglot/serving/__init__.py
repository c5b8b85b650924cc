"""An HTTP API and a web page over a stored index, where language bias can be seen and compared."""
