"""The web page: what the camera sees and what the model finds, for whoever looks."""
