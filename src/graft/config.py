"""The recipe: every setting of a fit, checked at the edge."""
