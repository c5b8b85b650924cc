"""An HTTP API and a web page over a stored index, where language bias shows and goes away."""
