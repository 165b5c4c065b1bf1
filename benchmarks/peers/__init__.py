"""Other libraries on the same photos; these files run in an environment of their own and know nothing of Graft."""
