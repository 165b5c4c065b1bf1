"""The verbs of Graft, one function each; the command line and Python are two doors to them."""
